import type { Statement } from '../../../db/connection/database.ts';
import { RECEIPT_COLUMNS, RECEIPT_JOINS } from './receipts.ts';

/**
 * The statements of a batch, in the order in which it sends them: lock, read, write. Most reads stand in
 * state.ts. All find rows by (account_id, …).
 *
 * Reads must be later statements than the lock. A row that is joined in the statement that waited for the
 * lock is the version from before the wait.
 */

// --- lock -------------------------------------------------------------------------------

export const begin: Statement = { name: 'begin', text: 'begin' };
export const commit: Statement = { name: 'commit', text: 'commit' };
export const rollback: Statement = { name: 'rollback', text: 'rollback' };

/** Batches share this lock; the revocation of an operator key takes it alone. $1 sorted key ids. */
export const lockOperatorKeys: Statement = {
  name: 'lock_operator_keys',
  text: `
    select pg_advisory_xact_lock_shared(hashtextextended('operator_key:' || id, 0))
    from unnest($1::text[]) as id`,
};

/** Everybody locks accounts in this order, so there is no deadlock. $1 account ids. */
export const lockBalances: Statement = {
  name: 'lock_balances',
  text: `
    select account_id from balances
    where account_id = any($1::uuid[]) order by account_id for no key update`,
};

/** After a lock timeout: locks the accounts that nobody else has locked. */
export const lockFreeBalances: Statement = {
  name: 'lock_free_balances',
  text: `${lockBalances.text} skip locked`,
};

// --- read -------------------------------------------------------------------------------

export interface KnownRow {
  account_id: string;
  number: bigint;
}

/**
 * Earlier operations under the idempotency keys of the batch; there are mostly none.
 *
 * Each look-up takes the first row from the key on, in the order of the index. So no plan can scan the
 * operations of an account, even if the planner believes that it has one. $1 account ids, $2 digests.
 */
export const findKnown: Statement = {
  name: 'find_known',
  text: `
    select o.account_id, o.number
    from unnest($1::uuid[], $2::bytea[]) as asked (account_id, idempotency_digest)
    cross join lateral (
      select account_id, number, idempotency_digest from operations
      where (account_id, idempotency_digest) >= (asked.account_id, asked.idempotency_digest)
      order by account_id, idempotency_digest limit 1
    ) o
    where o.account_id = asked.account_id and o.idempotency_digest = asked.idempotency_digest`,
};

/** The receipts of these operations. $1 account ids, $2 numbers. */
export const readKnown: Statement = {
  name: 'read_known',
  text: `
    select ${RECEIPT_COLUMNS}
    from unnest($1::uuid[], $2::bigint[]) as found (account_id, number)
    join operations o using (account_id, number)
    ${RECEIPT_JOINS}`,
};

// --- write ------------------------------------------------------------------------------

export const appendOperations: Statement = {
  name: 'append_operations',
  text: `
    insert into operations (account_id, number, kind, at, amount, available_after, scope, api_key_id,
                            description, metadata, idempotency_digest, fingerprint, subject,
                            expires_at, remaining_after, call, actor, actor_id)
    select * from unnest(
      $1::uuid[], $2::bigint[], $3::operation_kind[], $4::timestamptz[], $5::bigint[], $6::bigint[],
      $7::text[], $8::uuid[], $9::text[], $10::json[], $11::bytea[], $12::bytea[], $13::bigint[],
      $14::timestamptz[], $15::bigint[], $16::json[], $17::actor_kind[], $18::uuid[])`,
};

export const appendEntries: Statement = {
  name: 'append_entries',
  text: `
    insert into entries (account_id, number, line, amount, grant_number, category, book, posted_after)
    select * from unnest(
      $1::uuid[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::entry_category[],
      $7::book[], $8::bigint[])`,
};

/** $11 has array literals, as PostgreSQL's arrays of arrays cannot be ragged. */
export const insertGrants: Statement = {
  name: 'insert_grants',
  text: `
    insert into grants (account_id, number, category, book, priority, amount, remaining, reserved,
                        effective_at, expires_at, applies_to, started, live)
    select account_id, number, category, book, priority, amount, remaining, reserved, effective_at,
           expires_at, applies_to::text[], started, remaining > 0
    from unnest(
      $1::uuid[], $2::bigint[], $3::grant_category[], $4::book[], $5::smallint[], $6::bigint[],
      $7::bigint[], $8::bigint[], $9::timestamptz[], $10::timestamptz[], $11::text[],
      $12::boolean[])
      as made (account_id, number, category, book, priority, amount, remaining, reserved,
               effective_at, expires_at, applies_to, started)`,
};

/** A charge that does not use a grant up changes no indexed column, so the update is HOT. */
export const updateGrants: Statement = {
  name: 'update_grants',
  text: `
    update grants g
    set remaining = moved.remaining, reserved = moved.reserved, live = moved.remaining > 0,
        expires_at = moved.expires_at, started = moved.started, ended_at = moved.ended_at,
        ended_by = moved.ended_by
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[],
                $6::boolean[], $7::timestamptz[], $8::grant_ending[])
      as moved (account_id, number, remaining, reserved, expires_at, started, ended_at, ended_by)
    where g.account_id = moved.account_id and g.number = moved.number`,
};

/** $5 and $6 have array literals. */
export const insertHolds: Statement = {
  name: 'insert_holds',
  text: `
    insert into holds (account_id, number, amount, expires_at, grants, amounts)
    select account_id, number, amount, expires_at, grants::bigint[], amounts::bigint[]
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[])
      as made (account_id, number, amount, expires_at, grants, amounts)`,
};

export const deleteHolds: Statement = {
  name: 'delete_holds',
  text: `
    delete from holds h using unnest($1::uuid[], $2::bigint[]) as ended (account_id, number)
    where h.account_id = ended.account_id and h.number = ended.number`,
};

export const updateLimits: Statement = {
  name: 'update_limits',
  text: `
    update spend_limits l set used = moved.used, period_start = moved.period_start
    from unnest($1::uuid[], $2::uuid[], $3::spend_period[], $4::bigint[], $5::timestamptz[])
      as moved (account_id, holder, period, used, period_start)
    where l.account_id = moved.account_id and l.holder = moved.holder and l.period = moved.period`,
};

export const updateBalances: Statement = {
  name: 'update_balances',
  text: `
    update balances b
    set posted = moved.posted, held = moved.held, open_holds = moved.open_holds,
        last_number = moved.last_number, overdraft_used = moved.overdraft_used,
        overdraft_reserved = moved.overdraft_reserved, last_at = moved.last_at,
        next_due_at = moved.next_due_at
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::integer[], $5::bigint[], $6::bigint[],
                $7::bigint[], $8::timestamptz[], $9::timestamptz[])
      as moved (account_id, posted, held, open_holds, last_number, overdraft_used,
                overdraft_reserved, last_at, next_due_at)
    where b.account_id = moved.account_id`,
};
