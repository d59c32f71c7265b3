import type { Statement } from '../db/database.ts';

// --- price books ----------------------------------------------------------------------------

export interface PriceBookRow {
  version: number;
  text: string;
  effective_at: number;
}

/** One at a time puts a price book into effect. */
export const lockPriceBooks: Statement = {
  name: 'lock_price_books',
  text: `select pg_advisory_xact_lock(hashtextextended('purser price books', 0))`,
};

/** The price book in effect, where its version is above $1. */
export const readPriceBookAfter: Statement = {
  name: 'read_price_book_after',
  text: `
    select version, text, effective_at from price_books
    where version > $1 order by version desc limit 1`,
};

/** $1 version. */
export const findPriceBook: Statement = {
  name: 'find_price_book',
  text: 'select version, text, effective_at from price_books where version = $1',
};

/** The newest version of this text. $1 SHA-256. */
export const findPriceBookText: Statement = {
  name: 'find_price_book_text',
  text: `
    select version, text, effective_at from price_books
    where sha256 = $1 order by version desc limit 1`,
};

/** $1 text, $2 its SHA-256. */
export const appendPriceBook: Statement = {
  name: 'append_price_book',
  text: `
    insert into price_books (version, text, sha256, effective_at)
    select coalesce(max(version), 0) + 1, $1, $2, date_trunc('milliseconds', clock_timestamp())
    from price_books
    returning version, text, effective_at`,
};

// --- endings --------------------------------------------------------------------------------

/**
 * How calls ended; of one that was repeated under what an attempt before had paid, the last attempt
 * counts. $1 accounts, $2 numbers, $3 instants, $4 endings, $5 statuses.
 */
export const writeEndings: Statement = {
  name: 'write_endings',
  text: `
    insert into call_endings (account_id, number, at, ending, status)
    select distinct on (account_id, number) *
    from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::smallint[])
      as ended (account_id, number, at, ending, status)
    order by account_id, number, at desc
    on conflict (account_id, number) do update
    set at = excluded.at, ending = excluded.ending, status = excluded.status
    where call_endings.at < excluded.at`,
};

// --- idempotency keys of customers ----------------------------------------------------------

/**
 * Claims a new idempotency key, or one whose row has expired. No row: another request has it. $1
 * account, $2 digest, $3 fingerprint, $4 payment digest, $5 and $6 milliseconds that the attempt may
 * run and that the key is kept.
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
  /** Whether the attempt may still be under way. */
  may_run: boolean;
  charge: bigint | null;
  status: number | null;
  headers: Record<string, string | string[]> | null;
  body: Buffer | null;
}

/** A key that is in use. $1 account, $2 digest, $3 fingerprint. */
export const readCall: Statement = {
  name: 'read_call',
  text: `
    select fingerprint = $3 as is_same, payment_digest::text, is_used,
           until > clock_timestamp() as may_run, charge, status, headers, body
    from idempotent_calls where account_id = $1 and idempotency_digest = $2`,
};

/** The attempt ended and used its key. $1 account, $2 digest, $3 payment digest, $4 charge, $5 to $7 answer. */
export const useCall: Statement = {
  name: 'use_call',
  text: `
    update idempotent_calls
    set is_used = true, charge = $4, status = $5, headers = $6, body = $7
    where account_id = $1 and idempotency_digest = $2 and payment_digest = $3`,
};

/** The attempt cost nothing: its key is free again. $1 account, $2 digest, $3 payment digest. */
export const freeCall: Statement = {
  name: 'free_call',
  text: `
    delete from idempotent_calls
    where account_id = $1 and idempotency_digest = $2 and payment_digest = $3`,
};

/** Deletes keys that have expired, with their answers. $1 how many at most. */
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
  /** Its charge, or that of its capture; null: there is none, or it was given back whole. */
  charge: bigint | null;
  is_held: boolean;
}

/** How the payment of an attempt stands in the ledger. No row: it was never paid. $1 account, $2 digest. */
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
