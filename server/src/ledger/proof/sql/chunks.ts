import { BEFORE_ALL } from '../../accounts/sql/accounts.ts';
import { check, LONGEST_CHECK_MS, proof } from './check.ts';

/**
 * The snapshots of the proof, its chunks of accounts in the order of their ids, and the rows that belong
 * to no account. The other promises stand in walk.ts, state.ts, sums.ts and rollups.ts.
 */

/** All statements of a transaction see one snapshot. */
export const snapshot = proof(
  'snapshot',
  'set transaction isolation level repeatable read, read only',
);

/**
 * These settings allow only plans that stay within their range and do not compare all rows with all rows,
 * whatever the statistics are. A `lateral` look-up stays a loop. `work_mem` is enough for a range's sorts.
 */
export const settings = proof(
  'settings',
  `
    select set_config(name, value, true)
    from (values ('statement_timeout', '${LONGEST_CHECK_MS}'), ('enable_seqscan', 'off'),
                 ('enable_bitmapscan', 'off'), ('enable_nestloop', 'off'),
                 ('plan_cache_mode', 'force_custom_plan'), ('work_mem', '32MB'))
      as setting (name, value)`,
);

export interface AccountRow {
  id: string;
  public_id: string;
  /** Null: it has no balance row. */
  last_number: bigint | null;
  /** The last operation that the rollup counts. */
  rolled_up: bigint;
}

/** Each balance and rollup is looked up, as a join could begin with the first account. */
const ACCOUNT = `
  a.id, a.public_id,
  (select b.last_number from balances b where b.account_id = a.id) as last_number,
  coalesce((select r.number from rollups r where r.account_id = a.id), 0) as rolled_up`;

/** $1 the account before the chunk or null, $2 rows. */
export const chunk = proof(
  'chunk',
  `
    select ${ACCOUNT} from accounts a
    where a.id > coalesce($1, ${BEFORE_ALL}) order by a.id limit $2`,
);

/** $1 an account's public id. */
export const oneAccount = proof(
  'one_account',
  `select ${ACCOUNT} from accounts a where a.public_id = $1`,
);

/** $1 the account before the first, or null. */
export const size = proof(
  'size',
  `select count(*) as accounts from accounts where id > coalesce($1, ${BEFORE_ALL})`,
);

export const publicId = proof('public_id', 'select public_id from accounts where id = $1');

/** The tables whose rows belong to accounts; each has an index that begins with the account. */
export const TABLES = [
  'balances',
  'grants',
  'holds',
  'operations',
  'entries',
  'spend_limits',
  'rollups',
  'entry_sums',
  'usage_days',
  'usage_quantities',
  'api_keys',
  'call_endings',
  'call_claims',
  'idempotent_calls',
] as const;

/**
 * Rows that belong to no account: between two successive accounts no table may have a row. One look-up for
 * each account and table. $1 the account before the first, or null; $2 the last one, null: to the end.
 */
export const strays = check(
  'strays',
  'account_id',
  TABLES.map(
    (table) => `
      select stray.account_id, '${table}' as stands_in
      from gap cross join lateral (
        select t.account_id from ${table} t where t.account_id > gap.after
        order by t.account_id limit 1) stray
      where gap.before is null or stray.account_id < gap.before`,
  ).join('\n      union all'),
  [
    {
      promise: 'every row belongs to an account',
      broken: 'true',
      details: `format('a row of %s belongs to no account', stands_in)`,
    },
  ],
  `with gap as (
     select coalesce(lag(id) over (order by id), $1, ${BEFORE_ALL}) as after, id as before
     from accounts where id > coalesce($1, ${BEFORE_ALL}) and ($2::uuid is null or id <= $2)
     union all
     select coalesce((select id from accounts order by id desc limit 1), ${BEFORE_ALL}), null
     where $2::uuid is null
   )`,
);
