import type { Statement } from '../../db/connection/database.ts';

/**
 * Claims a new idempotency key, or one whose row has expired. No row: another request has it.
 * $1 account, $2 digest, $3 fingerprint, $4 payment digest, $5 the attempt's longest time and $6 the
 * key's, in milliseconds.
 */
export const claimCall: Statement = {
  name: 'claim_call',
  text: `
    insert into idempotent_calls as known
      (account_id, idempotency_digest, fingerprint, payment_digest, until, expires_at)
    values ($1, $2, $3, $4,
            clock_timestamp() + $5 * interval '1 ms', clock_timestamp() + $6 * interval '1 ms')
    on conflict (account_id, idempotency_digest) do update
      set fingerprint = excluded.fingerprint, payment_digest = excluded.payment_digest,
          until = excluded.until, expires_at = excluded.expires_at,
          is_used = false, charge = null, status = null, headers = null, body = null
      where known.expires_at <= clock_timestamp()
    returning true as is_claimed`,
};

export interface IdempotentCallRow {
  is_same: boolean;
  payment_digest: string;
  is_used: boolean;
  /** Whether the attempt may still run. */
  may_run: boolean;
  charge: bigint | null;
  status: number | null;
  headers: Record<string, string | string[]> | null;
  body: Buffer | null;
}

/** Reads the row of a key. $1 account, $2 digest, $3 fingerprint. */
export const readCall: Statement = {
  name: 'read_call',
  text: `
    select fingerprint = $3 as is_same, payment_digest::text, is_used,
           until > clock_timestamp() as may_run, charge, status, headers, body
    from idempotent_calls where account_id = $1 and idempotency_digest = $2`,
};

/** Marks a key as used. $1 account, $2 digest, $3 payment digest, $4 charge, $5 to $7 answer. */
export const useCall: Statement = {
  name: 'use_call',
  text: `
    update idempotent_calls
    set is_used = true, charge = $4, status = $5, headers = $6, body = $7
    where account_id = $1 and idempotency_digest = $2 and payment_digest = $3`,
};

/**
 * Frees the key of an attempt that cost nothing. A used key stays: the attempt may have paid after
 * `read_attempt` found it unpaid. $1 account, $2 digest, $3 payment digest.
 */
export const freeCall: Statement = {
  name: 'free_call',
  text: `
    delete from idempotent_calls
    where account_id = $1 and idempotency_digest = $2 and payment_digest = $3 and not is_used`,
};

/** Deletes expired keys with their answers, the oldest first. $1 rows at most. */
export const forgetCalls: Statement = {
  name: 'forget_calls',
  text: `
    with expired as (
      select account_id, idempotency_digest from idempotent_calls
      where expires_at <= clock_timestamp()
      order by expires_at limit $1 for update skip locked),
    gone as (
      delete from idempotent_calls c using expired e
      where c.account_id = e.account_id and c.idempotency_digest = e.idempotency_digest
      returning 1)
    select count(*)::int as forgotten from gone`,
};

export interface AttemptRow {
  kind: 'charge' | 'hold';
  number: bigint;
  /** The charge or capture that paid; null: there is none, or all of it was reversed. */
  charge: bigint | null;
  is_held: boolean;
}

/** The payment of an attempt, as the ledger has it. No row: it was not paid. $1 account, $2 digest. */
export const readAttempt: Statement = {
  name: 'read_attempt',
  text: `
    select o.kind::text, o.number,
           (select c.number from operations c
            where c.account_id = o.account_id
              and (c.number = o.number and c.kind = 'charge'
                   or c.subject = o.number and c.kind = 'capture')
              and c.amount > (
                select coalesce(sum(r.amount), 0) from operations r
                where r.account_id = c.account_id and r.subject = c.number and r.kind = 'reversal')
           ) as charge,
           exists (select from holds h
                   where h.account_id = o.account_id and h.number = o.number) as is_held
    from operations o where o.account_id = $1 and o.idempotency_digest = $2`,
};
