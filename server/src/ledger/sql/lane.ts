import type { Statement } from '../../db/database.ts';
import { RECEIPT_COLUMNS, RECEIPT_JOINS } from './receipts.ts';

/**
 * The statements of the lane, in the order in which a batch sends them: lock, then read in later
 * statements (a row joined in the statement that waited for the lock would be the one from before the
 * wait), then write. All of them find rows by (account_id, …).
 */

// --- lock -------------------------------------------------------------------------------

export const begin: Statement = { name: 'begin', text: 'begin' };
export const commit: Statement = { name: 'commit', text: 'commit' };
export const rollback: Statement = { name: 'rollback', text: 'rollback' };

/** Shared with other batches; the revocation of an operator key takes it alone. $1 sorted key ids. */
export const lockOperatorKeys: Statement = {
  name: 'lock_operator_keys',
  text: `
    select pg_advisory_xact_lock_shared(hashtextextended('operator_key:' || id, 0))
    from unnest($1::text[]) as id`,
};

/** One sorted order for everybody. $1 account ids. */
export const lockBalances: Statement = {
  name: 'lock_balances',
  text: `
    select account_id from balances
    where account_id = any($1::uuid[]) order by account_id for no key update`,
};

/** After a lock timeout: what can be had without waiting. */
export const lockFreeBalances: Statement = {
  name: 'lock_free_balances',
  text: `${lockBalances.text} skip locked`,
};

// --- read -------------------------------------------------------------------------------

export interface BalanceRow {
  account_id: string;
  public_id: string;
  status: 'active' | 'suspended';
  posted: bigint;
  held: bigint;
  last_number: bigint;
  overdraft_limit: bigint;
  overdraft_used: bigint;
  last_at: number;
  now: number;
}

/** The accounts of the batch and the time, read after the lock. $1 account ids. */
export const readBalances: Statement = {
  name: 'read_balances',
  text: `
    select b.account_id, a.public_id, a.status, b.posted, b.held, b.last_number,
           b.overdraft_limit, b.overdraft_used, b.last_at, clock_timestamp() as now
    from balances b join accounts a on a.id = b.account_id
    where b.account_id = any($1::uuid[])`,
};

export interface LiveGrantRow {
  account_id: string;
  number: bigint;
  category: 'paid' | 'promotional';
  priority: number;
  remaining: bigint;
  reserved: bigint;
  expires_at: number | null;
  applies_to: string[] | null;
}

/** Served by the index grants_live. $1 account ids. */
export const readLiveGrants: Statement = {
  name: 'read_live_grants',
  text: `
    select account_id, number, category, priority, remaining, reserved, expires_at, applies_to
    from grants where account_id = any($1::uuid[]) and live`,
};

/**
 * What already happened under the idempotency keys of the batch. The first operation from a key on is
 * looked at, in the order of its index, so that no plan can walk through an account's operations, even
 * where the planner believes that an account has one. $1 account ids, $2 digests.
 */
export const readKnown: Statement = {
  name: 'read_known',
  text: `
    select ${RECEIPT_COLUMNS}
    from unnest($1::uuid[], $2::bytea[]) as asked (account_id, idempotency_digest)
    cross join lateral (
      select * from operations
      where (account_id, idempotency_digest) >= (asked.account_id, asked.idempotency_digest)
      order by account_id, idempotency_digest limit 1
    ) o
    ${RECEIPT_JOINS}
    where o.account_id = asked.account_id and o.idempotency_digest = asked.idempotency_digest`,
};

export interface KeyFactsRow {
  id: string;
  account_id: string;
  scopes: string[];
  expires_at: number | null;
  revoked_at: number | null;
}

/** Customers' keys that operations name. $1 key ids. */
export const readKeys: Statement = {
  name: 'read_keys',
  text: `
    select id, account_id, scopes, expires_at, revoked_at
    from api_keys where id = any($1::uuid[])`,
};

export interface OperatorKeyFactsRow {
  id: string;
  expires_at: number | null;
  revoked_at: number | null;
}

/** Operator keys that ask. $1 key ids. */
export const readOperatorKeys: Statement = {
  name: 'read_operator_keys',
  text: 'select id, expires_at, revoked_at from operator_keys where id = any($1::uuid[])',
};

// --- write ------------------------------------------------------------------------------

export const appendOperations: Statement = {
  name: 'append_operations',
  text: `
    insert into operations (account_id, number, kind, at, amount, available_after, scope, api_key_id,
                            description, metadata, idempotency_digest, fingerprint)
    select * from unnest(
      $1::uuid[], $2::bigint[], $3::operation_kind[], $4::timestamptz[], $5::bigint[], $6::bigint[],
      $7::text[], $8::uuid[], $9::text[], $10::json[], $11::bytea[], $12::bytea[])`,
};

export const appendEntries: Statement = {
  name: 'append_entries',
  text: `
    insert into entries (account_id, number, line, amount, grant_number, category, book, posted_after)
    select * from unnest(
      $1::uuid[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::entry_category[],
      $7::book[], $8::bigint[])`,
};

/** $9 holds array literals: PostgreSQL's arrays of arrays cannot be ragged. */
export const insertGrants: Statement = {
  name: 'insert_grants',
  text: `
    insert into grants (account_id, number, category, priority, amount, remaining, effective_at,
                        expires_at, applies_to, started, live, book)
    select account_id, number, category, priority, amount, remaining, at, expires_at,
           applies_to::text[], true, remaining > 0,
           case category when 'paid' then 'funding' else 'promotion' end::book
    from unnest(
      $1::uuid[], $2::bigint[], $3::grant_category[], $4::smallint[], $5::bigint[], $6::bigint[],
      $7::timestamptz[], $8::timestamptz[], $9::text[])
      as made (account_id, number, category, priority, amount, remaining, at, expires_at, applies_to)`,
};

export const updateGrants: Statement = {
  name: 'update_grants',
  text: `
    update grants g set remaining = moved.remaining, live = moved.remaining > 0
    from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as moved (account_id, number, remaining)
    where g.account_id = moved.account_id and g.number = moved.number`,
};

export const updateBalances: Statement = {
  name: 'update_balances',
  text: `
    update balances b
    set posted = moved.posted, last_number = moved.last_number,
        overdraft_used = moved.overdraft_used, last_at = moved.last_at
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
      as moved (account_id, posted, last_number, overdraft_used, last_at)
    where b.account_id = moved.account_id`,
};
