import type { Statement } from '../../../db/connection/database.ts';
import { USES } from '../../operations/sql/kinds.ts';

/**
 * The statements of spend limits. The `holder` of a limit is the id of the account or of one of its keys.
 * The limit of an account counts every key, and spending without a key.
 */

export interface LimitRow {
  amount: bigint;
  used: bigint;
  period_start: number;
  clock: number;
  last_at: number;
}

/**
 * The operations from a number on, in the order of the primary key. Numbers have no gap, so the first row
 * has the number itself. With an equality instead, the planner could scan another index that begins with
 * the account, if it believes that accounts have few operations.
 */
const from = (account: string, number: string, limit: number) => `
  select * from operations where (account_id, number) >= (${account}, ${number})
  order by account_id, number limit ${limit}`;

/** The operations of one look-up: few, so that the order of the index is the cheapest way. */
const BLOCK = 100;

/**
 * A limit and the clock. Due holds do not count, though their expiry may not be written yet. $1 account,
 * $2 holder, $3 period.
 */
export const findLimit: Statement = {
  name: 'find_spend_limit',
  text: `
    select l.amount, l.period_start, statement_timestamp() as clock, b.last_at,
           l.used - coalesce((
             select sum(h.amount)
             from holds h cross join lateral (${from('h.account_id', 'h.number', 1)}) o
             where h.account_id = l.account_id and h.expires_at <= statement_timestamp()
               and o.at >= l.period_start
               and (l.holder = l.account_id or o.api_key_id = l.holder)), 0)::bigint as used
    from spend_limits l join balances b using (account_id)
    where l.account_id = $1 and l.holder = $2 and l.period = $3`,
};

/** Keeps the counter. No row: the limit was not set. $4 the new amount. */
export const changeLimit: Statement = {
  name: 'change_spend_limit',
  text: `
    update spend_limits set amount = $4
    where account_id = $1 and holder = $2 and period = $3
    returning amount`,
};

/** $4 amount, $5 used, $6 the start of the period. */
export const insertLimit: Statement = {
  name: 'insert_spend_limit',
  text: `
    insert into spend_limits (account_id, holder, period, amount, used, period_start)
    values ($1, $2, $3, $4, $5, $6)`,
};

/** No row: the limit was not set. */
export const deleteLimit: Statement = {
  name: 'delete_spend_limit',
  text: `
    delete from spend_limits where account_id = $1 and holder = $2 and period = $3
    returning amount`,
};

export interface ClockRow {
  last_number: bigint;
  clock: number;
  last_at: number;
}

/** The last operation of an account, and the clock. $1 account. */
export const readClock: Statement = {
  name: 'read_account_clock',
  text: `
    select last_number, statement_timestamp() as clock, last_at
    from balances where account_id = $1`,
};

/**
 * The first operation from an instant on, or the number after the last one. `at` never decreases with the
 * number, so a binary search finds it, one look-up a step. $1 account, $2 last number, $3 instant.
 */
export const firstSince: Statement = {
  name: 'first_operation_since',
  text: `
    with recursive search (low, high) as (
      select 1::bigint, $2::bigint + 1
      union all
      select case when o.at >= $3 then s.low else s.middle + 1 end,
             case when o.at >= $3 then s.middle else s.high end
      from (select low, high, (low + high) / 2 as middle from search where low < high) s
      cross join lateral (
        ${from('$1', 's.middle', 1)}
      ) o
    )
    select low as number from search where low = high`,
};

/**
 * The charges less the reversals in a range, of charges since the period's first operation. A capture
 * belongs to the period of its hold. A reversal counts in the range that contains it, so ranges add up. The
 * sum is text, as it may exceed int64.
 *
 * $1 account, $2 holder, $3 the period's first number, $4 the number before the range, $5 its last.
 */
export const sumSpent: Statement = {
  name: 'sum_spent',
  text: `
    select coalesce(sum(case o.kind when 'reversal' then -o.amount else o.amount end), 0)::text
             as spent
    from generate_series($4::bigint + 1, $5::bigint, ${BLOCK}) as block (number)
    cross join lateral (${from('$1', 'block.number', BLOCK)}) o
    left join lateral (${from('o.account_id', 'o.subject', 1)}) reversed
      on o.kind = 'reversal'
    cross join lateral (
      select coalesce(reversed.kind, o.kind) as kind, coalesce(reversed.number, o.number) as number,
             case when reversed.kind is null then o.subject else reversed.subject end as subject
    ) charge
    where o.account_id = $1 and o.number <= $5
      and o.kind in ${USES}
      and case charge.kind when 'capture' then charge.subject else charge.number end >= $3
      and ($2::uuid = $1::uuid or o.api_key_id = $2)`,
};

/** The sum of the open holds made since the period's first operation. $1 to $3 as above. */
export const sumHeld: Statement = {
  name: 'sum_held_since',
  text: `
    select coalesce(sum(h.amount), 0)::bigint as held
    from holds h cross join lateral (${from('h.account_id', 'h.number', 1)}) o
    where h.account_id = $1 and h.number >= $3
      and ($2::uuid = $1::uuid or o.api_key_id = $2)`,
};
