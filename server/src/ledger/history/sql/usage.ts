import type { Statement } from '../../../db/connection/database.ts';
import { BEFORE_ALL } from '../../accounts/sql/accounts.ts';
import type { KindFacts } from '../../operations/kinds.ts';
import { kindsIn, USES } from '../../operations/sql/kinds.ts';

/**
 * The usage of operations `o`, one line each. A charge counts on its day; a reversal counts on its own
 * day, for the key, scope and route of its charge.
 */
export const USED = `
  (o.at at time zone 'UTC')::date as day,
  case when o.kind = 'reversal' then c.api_key_id else o.api_key_id end as api_key_id,
  case when o.kind = 'reversal' then c.scope else o.scope end as scope,
  case when o.kind = 'reversal' then c.call else o.call end ->> 'route' as route,
  case when o.kind = 'reversal' then 0 else 1 end as charges,
  case when o.kind = 'reversal' then 0 else o.amount end as charged,
  case when o.kind = 'reversal' then o.amount else 0 end as reversed`;
/** The charge of a reversal. The order is that of the primary key, so no plan takes another index. */
export const USED_JOIN = `
  left join lateral (
    select r.api_key_id, r.scope, r.call from operations r
    where o.kind = 'reversal' and (r.account_id, r.number) >= (o.account_id, o.subject)
    order by r.account_id, r.number limit 1
  ) c on true`;
export const IS_USE = `o.kind in ${USES}`;
/** The quantities of the calls of operations `o`, one line each; an overage repeats its capture's. */
export const COUNTED = `
  (o.at at time zone 'UTC')::date as day, o.api_key_id, o.scope, o.call ->> 'route' as route,
  q.key as quantity, q.value::numeric as amount`;
export const COUNTED_JOIN = `cross join lateral json_each_text(o.call -> 'quantities') q`;
export const IS_COUNTED = `o.kind in ${kindsIn(isCounted)} and o.call is not null`;
function isCounted({ makes, arises }: KindFacts): boolean {
  return makes === 'charge' && arises.includes('asked');
}

/** The operations of the ranges $4 and $5 of account $1. */
const IN_RANGES = `
  from unnest($4::bigint[], $5::bigint[]) as range (first, before)
  join operations o
    on o.account_id = $1 and o.number >= range.first and o.number < range.before`;
/** The group of a line of usage `u`: $6 to $9 say whether to group by day, key, scope and route. */
const GROUPS = `
  case when $6 then u.day::text else '' end collate "C" as day,
  case when $7 then coalesce(u.api_key_id::text, '') else '' end collate "C" as key,
  case when $8 then coalesce(u.scope, '') else '' end collate "C" as scope,
  case when $9 then coalesce(u.route, '') else '' end collate "C" as route`;

/** The last operation that the rollup counts; no row: it has not begun. $1 account. */
export const readRolledUp: Statement = {
  name: 'read_rolled_up',
  text: 'select number from rollups where account_id = $1',
};

export interface UsageRow {
  /** Such as `2026-11-23`; empty: not grouped by day. */
  day: string;
  /** The key's UUID; empty: no key, or not grouped by key. */
  key: string;
  scope: string;
  route: string;
  charges: bigint;
  /** Microcents as text: a sum may be beyond int64. */
  charged: string;
  reversed: string;
}

/**
 * Usage, newest day first: whole days from the rollup, the rest from operations.
 *
 * $1 account, $2 the first day from the rollup, $3 the day after its last;
 *
 * $4 and $5 the ranges of operations: their first numbers, and the numbers after their last;
 *
 * $6 to $9 whether to group by day, key, scope and route, $10 to $13 the line before the page or nulls,
 * $14 rows.
 */
export const readUsage: Statement = {
  name: 'read_usage',
  text: `
    select l.day, l.key, l.scope, l.route, sum(l.charges)::bigint as charges, sum(l.charged)::text as charged,
           sum(l.reversed)::text as reversed
    from (
      select ${GROUPS}, u.charges, u.charged, u.reversed
      from (
        select day, api_key_id, scope, route, charges, charged, reversed
        from usage_days where account_id = $1 and day >= $2::date and day < $3::date
        union all
        select ${USED} ${IN_RANGES} ${USED_JOIN}
        where ${IS_USE}
      ) u
    ) l
    where $10::text is null
       or (l.day, l.key, l.scope, l.route) < ($10, $11::text, $12::text, $13::text)
    group by l.day, l.key, l.scope, l.route
    order by l.day desc, l.key desc, l.scope desc, l.route desc limit $14`,
};

export interface QuantityRow {
  day: string;
  key: string;
  scope: string;
  route: string;
  quantity: string;
  /** A decimal number as text. */
  amount: string;
}

/**
 * The quantities for the lines of a page. $1 to $9 as in `readUsage`, $10 to $13 its first line, $14 to
 * $17 its last.
 */
export const readQuantities: Statement = {
  name: 'read_quantities',
  text: `
    select l.day, l.key, l.scope, l.route, l.quantity, trim_scale(sum(l.amount))::text as amount
    from (
      select ${GROUPS}, u.quantity, u.amount
      from (
        select day, api_key_id, scope, route, quantity, amount
        from usage_quantities where account_id = $1 and day >= $2::date and day < $3::date
        union all
        select ${COUNTED} ${IN_RANGES} ${COUNTED_JOIN}
        where ${IS_COUNTED}
      ) u
    ) l
    where (l.day, l.key, l.scope, l.route) <= ($10::text, $11::text, $12::text, $13::text)
      and (l.day, l.key, l.scope, l.route) >= ($14::text, $15::text, $16::text, $17::text)
    group by l.day, l.key, l.scope, l.route, l.quantity
    order by l.quantity`,
};

// --- the rollup ---------------------------------------------------------------------------

export interface TailRow {
  account_id: string;
  /** The number of uncounted operations. */
  tail: bigint;
}

/**
 * The accounts after one, in the order of their ids, with their uncounted operations. Each rollup is
 * looked up, as a join could begin with the first account. $1 the account before or null, $2 rows.
 */
export const readTails: Statement = {
  name: 'read_tails',
  text: `
    select b.account_id,
           b.last_number - coalesce((select r.number from rollups r
                                     where r.account_id = b.account_id), 0) as tail
    from balances b
    where b.account_id > coalesce($1, ${BEFORE_ALL})
    order by b.account_id limit $2`,
};

export const beginRollup: Statement = {
  name: 'begin_rollup',
  text: 'insert into rollups (account_id) values ($1) on conflict do nothing',
};

/** No row: another node is counting this account. $1 account. */
export const lockRollup: Statement = {
  name: 'lock_rollup',
  text: 'select number from rollups where account_id = $1 for update skip locked',
};

/**
 * Counts at most $3 operations after $2, and stores the last number. The caller has the lock and $2 from
 * `lockRollup`, and one statement is one snapshot: no operation is counted twice or missed. $1 account.
 */
export const countOn: Statement = {
  name: 'count_on',
  text: `
    with counted as materialized (
      select o.* from operations o
      where o.account_id = $1 and o.number > $2 and o.number <= $2::bigint + $3::bigint
    ),
    days as (
      insert into usage_days as known (account_id, day, api_key_id, scope, route, charges, charged,
                                       reversed)
      select $1, u.day, u.api_key_id, u.scope, u.route, sum(u.charges), sum(u.charged),
             sum(u.reversed)
      from (select ${USED} from counted o ${USED_JOIN} where ${IS_USE}) u
      group by u.day, u.api_key_id, u.scope, u.route
      on conflict (account_id, day, api_key_id, scope, route) do update
        set charges = known.charges + excluded.charges,
            charged = known.charged + excluded.charged,
            reversed = known.reversed + excluded.reversed
    ),
    quantities as (
      insert into usage_quantities as known (account_id, day, api_key_id, scope, route, quantity, amount)
      select $1, u.day, u.api_key_id, u.scope, u.route, u.quantity, sum(u.amount)
      from (select ${COUNTED} from counted o ${COUNTED_JOIN} where ${IS_COUNTED}) u
      group by u.day, u.api_key_id, u.scope, u.route, u.quantity
      on conflict (account_id, day, api_key_id, scope, route, quantity) do update
        set amount = known.amount + excluded.amount
    ),
    sums as (
      insert into entry_sums (account_id, number, kind, book, category, amount, entries)
      select $1, (select max(number) from counted), o.kind, e.book, e.category, sum(e.amount),
             count(*)
      from counted o
      -- The offset forbids a plain join, in which the planner could compare all rows with all rows.
      cross join lateral (
        select * from entries where account_id = $1 and number = o.number offset 0
      ) e
      group by o.kind, e.book, e.category
    )
    update rollups set number = counted.last
    from (select max(number) as last, count(*) as operations from counted) counted
    where account_id = $1 and counted.last is not null
    returning counted.operations`,
};
