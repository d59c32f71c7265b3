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

// --- claims ---------------------------------------------------------------------------------

export interface ClaimRow {
  attempts: number;
  payment: number;
}

/**
 * Claims an idempotency key for one attempt: the first, or a further one where the one before ended
 * without a delivered answer. No row: it may not be tried. $1 account, $2 digest, $3 fingerprint, $4
 * milliseconds that the attempt may take, $5 most attempts.
 */
export const claim: Statement = {
  name: 'claim_call',
  text: `
    insert into call_claims as known (account_id, idempotency_digest, fingerprint, until)
    values ($1, $2, $3, clock_timestamp() + $4 * interval '1 ms')
    on conflict (account_id, idempotency_digest) do update
      set attempts = known.attempts + case when known.until > '-infinity' then 1 else 0 end,
          payment = known.payment + case when known.outcome = 'free' then 1 else 0 end,
          until = excluded.until, outcome = null
      where known.fingerprint = excluded.fingerprint
        and (known.attempts < $5 or known.until = '-infinity')
        and (known.outcome in ('paid', 'free')
             or (known.outcome is null and known.until <= clock_timestamp()))
    returning attempts, payment`,
};

export interface ClaimStateRow {
  is_same: boolean;
  attempts: number;
  outcome: 'delivered' | 'paid' | 'free' | null;
  is_running: boolean;
}

/** Why a key could not be claimed. $1 account, $2 digest, $3 fingerprint. */
export const readClaim: Statement = {
  name: 'read_claim',
  text: `
    select fingerprint = $3 as is_same, attempts, outcome,
           outcome is null and until > clock_timestamp() as is_running
    from call_claims where account_id = $1 and idempotency_digest = $2`,
};

/** The payment before does not count any more. $1 account, $2 digest, $3 the attempt. */
export const renewPayment: Statement = {
  name: 'renew_payment',
  text: `
    update call_claims set payment = payment + 1
    where account_id = $1 and idempotency_digest = $2 and attempts = $3 and outcome is null
    returning attempts, payment`,
};

/**
 * Ends an attempt that was not forwarded: it does not count, and what may have been paid for it still
 * does. $1 account, $2 digest, $3 attempt.
 */
export const releaseClaim: Statement = {
  name: 'release_claim',
  text: `
    update call_claims set outcome = 'paid', until = '-infinity'
    where account_id = $1 and idempotency_digest = $2 and attempts = $3 and outcome is null`,
};

/** Ends the attempt that claimed it, and no later one. $1 account, $2 digest, $3 attempt, $4 outcome. */
export const endClaim: Statement = {
  name: 'end_claim',
  text: `
    update call_claims set outcome = $4
    where account_id = $1 and idempotency_digest = $2 and attempts = $3 and outcome is null`,
};
