import type { Statement } from '../../../db/connection/database.ts';
import { BEFORE_ALL } from '../../accounts/sql/accounts.ts';

/**
 * What operations `o` add to usage, a line each: charges of all three kinds on their day, reversals on
 * theirs for the key, scope and route of their charge.
 */
export const USED = `
  (o.at at time zone 'UTC')::date as day,
  case when o.kind = 'reversal' then c.api_key_id else o.api_key_id end as api_key_id,
  case when o.kind = 'reversal' then c.scope else o.scope end as scope,
  case when o.kind = 'reversal' then c.call else o.call end ->> 'route' as route,
  case when o.kind = 'reversal' then 0 else 1 end as charges,
  case when o.kind = 'reversal' then 0 else o.amount end as charged,
  case when o.kind = 'reversal' then o.amount else 0 end as reversed`;
/** The charge of a reversal, in the order of its index: no plan can look for it elsewhere. */
export const USED_JOIN = `
  left join lateral (
    select r.api_key_id, r.scope, r.call from operations r
    where o.kind = 'reversal' and (r.account_id, r.number) >= (o.account_id, o.subject)
    order by r.account_id, r.number limit 1
  ) c on true`;
export const IS_USE = `o.kind in ('charge', 'capture', 'overage', 'reversal')`;
/** What was counted of the calls of operations `o`, a line each: that of an overage is its capture's. */
export const COUNTED = `
  (o.at at time zone 'UTC')::date as day, o.api_key_id, o.scope, o.call ->> 'route' as route,
  q.key as quantity, q.value::numeric as amount`;
export const COUNTED_JOIN = `cross join lateral json_each_text(o.call -> 'quantities') q`;
export const IS_COUNTED = `o.kind in ('charge', 'capture') and o.call is not null`;
/** The operations of the ranges $4 and $5 of account $1. */
const IN_RANGES = `
  from unnest($4::bigint[], $5::bigint[]) as range (first, before)
  join operations o
    on o.account_id = $1 and o.number >= range.first and o.number < range.before`;
/** What makes a line of the usage `u`: $6 to $9 say by what to group. */
const GROUPS = `
  case when $6 then u.day::text else '' end collate "C" as day,
  case when $7 then coalesce(u.api_key_id::text, '') else '' end collate "C" as key,
  case when $8 then coalesce(u.scope, '') else '' end collate "C" as scope,
  case when $9 then coalesce(u.route, '') else '' end collate "C" as route`;

/** Up to which operation the rollup counts; no row: it has not begun. $1 account. */
export const readRolledUp: Statement = {
  name: 'read_rolled_up',
  text: 'select number from rollups where account_id = $1',
};

export interface UsageRow {
  /** `2026-11-23`, or empty where it is not grouped by. */
  day: string;
  /** The key's UUID, or empty for none or where it is not grouped by. */
  key: string;
  scope: string;
  route: string;
  charges: bigint;
  /** Microcents as text: a sum may be beyond int64. */
  charged: string;
  reversed: string;
}

/**
 * Usage, newest and last first: days from the rollup, and operations as they are. $1 account, $2 the
 * days from and $3 before which the rollup is asked, $4 and $5 the ranges of operations, each from a
 * number and before one, $6 $7 $8 $9 whether to group by day, key, scope and route, $10 to $13 the line
 * before the page or nulls, $14 rows.
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
 * What was counted, for the lines of a page. $1 to $9 as of `readUsage`, $10 to $13 the page's first
 * line, $14 to $17 its last.
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
  /** How many operations are not counted. */
  tail: bigint;
}

/**
 * The accounts that follow one in the order of their ids, and how many operations of each are not
 * counted; rollups are looked up each, as a join may begin at the first. $1 the account before or null,
 * $2 rows.
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

/** No row where somebody else is counting this account. $1 account. */
export const lockRollup: Statement = {
  name: 'lock_rollup',
  text: 'select number from rollups where account_id = $1 for update skip locked',
};

/**
 * Counts the operations after $2, $3 at most, and notes up to which. One statement is one snapshot,
 * and whoever runs it has the lock of `lockRollup` and $2 from there: nothing is counted twice or
 * missed. $1 account.
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
      -- Fenced: joined freely, rows that the planner believes to be few were compared each with each.
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
