import type { Statement } from '../../../db/connection/database.ts';
import {
  COUNTED,
  COUNTED_JOIN,
  IS_COUNTED,
  IS_USE,
  USED,
  USED_JOIN,
} from '../../history/sql/usage.ts';
import { USES } from '../../operations/sql/kinds.ts';
import { type Check, check, inRange, LAST_NUMBER, ofAccount, proof, row } from './check.ts';

/**
 * The proof over the sums of all operations and entries of an account: grants, the counters of spend
 * limits, and usage. A large account is summed up range by range, each as one JSON text, and the last
 * snapshot gets these texts. So no snapshot reads more than one range.
 */

/** Sums over whole accounts. */
export interface Summed {
  /** The sums that a range of one account adds, as one JSON text. */
  readonly ofRange: Statement;
  /**
   * Compares the sums with the rows.
   *
   * $1 and $3 the first and the last account, $2 the number up to which the first has ranges, $4 their texts.
   */
  readonly check: Check;
  /** True: it sums up only the operations that the rollup counts. */
  readonly isRolledUp: boolean;
}

function ofRange(name: string, lines: string): Statement {
  return proof(
    `${name}_of_range`,
    `select coalesce(json_agg(s), '[]')::text as sums from (${lines}) s`,
  );
}

/** The texts of ranges as rows. */
const keptAs = (columns: string) => `
  unnest($4::text[]) as range (sums)
  cross join lateral json_to_recordset(range.sums::json) as s (${columns})`;

/** The operations of an account that are in no range, up to a number. */
const restOf = (account: string, upTo: string) =>
  ofAccount('operations', account, `case ${account} when $1 then $2::bigint else 0 end`, upTo);

// --- grants -----------------------------------------------------------------------------------

const moved = (entries: string) => `
  select e.account_id, e.grant_number, sum(e.amount) as amount from ${entries} e
  group by e.account_id, e.grant_number`;

const grants: Summed = {
  isRolledUp: false,
  ofRange: ofRange('moved', moved(inRange('entries'))),
  check: check(
    'moved',
    'account_id, grant_number',
    `select account_id, grant_number, coalesce(sum(amount) filter (where is_left), 0) as remaining,
            coalesce(sum(amount) filter (where not is_left), 0) as sum
     from (select true as is_left, account_id, number as grant_number, remaining as amount
           from grants where account_id between $1 and $3 and live and started
           union all
           select true, account_id, null, -overdraft_used from balances
           where account_id between $1 and $3
           union all
           select false, e.* from (
             ${moved(inRange('entries', `${LAST_NUMBER}`))}) e
           union all
           select false, $1, s.* from ${keptAs('grant_number bigint, amount numeric')}) lines
     group by account_id, grant_number`,
    [
      {
        promise: 'the overdraft is the sum of its entries',
        broken: 'grant_number is null and remaining <> sum',
        details: `format('the overdraft used is %s, its entries sum to %s', -remaining, sum)`,
      },
      {
        promise: 'what remains of each grant is the sum of its entries',
        broken: 'remaining <> sum',
        details: `format('grant %s has %s left, its entries sum to %s', grant_number, remaining, sum)`,
      },
    ],
  ),
};

// --- spend limits -----------------------------------------------------------------------------

/**
 * The amounts that operations `o` spend, by day (UTC). A charge counts on its own day, a capture on that of
 * its hold, a reversal on that of its charge.
 */
const spent = (operations: string) => `
  select o.account_id, o.api_key_id,
         (coalesce(h.at, c.at, o.at) at time zone 'UTC')::date as day,
         case o.kind when 'reversal' then -o.amount else o.amount end as amount
  from ${operations} o
  left join lateral ${row('operations', 'o.account_id', `case o.kind when 'reversal' then o.subject end`)} c
    on true
  left join lateral ${row(
    'operations',
    'o.account_id',
    `case when o.kind = 'capture' then o.subject when c.kind = 'capture' then c.subject end`,
  )} h on true
  where o.kind in ${USES}`;

/** For accounts with limits: the amounts spent and held, by holder and day. */
const HELD_AND_SPENT = `
  with limited as (
    select distinct account_id from spend_limits where account_id between $1 and $3
  ),
  spent as (
    select s.* from limited l cross join lateral (${spent(restOf('l.account_id', `${LAST_NUMBER}`))}) s
    union all
    select $1, s.* from ${keptAs('api_key_id uuid, day date, amount numeric')}
    union all
    select h.account_id, o.api_key_id, (o.at at time zone 'UTC')::date, h.amount
    from limited l
    join holds h on h.account_id = l.account_id and h.account_id between $1 and $3
    cross join lateral ${row('operations', 'h.account_id', 'h.number')} o
  ),
  held_and_spent as (
    select account_id, holder, day, sum(amount) as amount
    from (select account_id, account_id as holder, day, amount from spent
          union all
          select account_id, api_key_id, day, amount from spent where api_key_id is not null) s
    group by account_id, holder, day
  )`;

const limits: Summed = {
  isRolledUp: false,
  ofRange: ofRange(
    'spent',
    `select api_key_id, day, sum(amount) as amount from (${spent(inRange('operations'))}) s
     group by api_key_id, day`,
  ),
  check: check(
    'limits',
    'account_id, holder, period',
    `select account_id, holder, period, period_start, used, spent, spent_until,
            (select b.last_at from balances b where b.account_id = l.account_id),
            (select k.account_id from ${row('api_keys', 'l.holder')} k) as key_account
     from (select account_id, holder, period, max(period_start) as period_start,
                  coalesce(sum(amount) filter (where is_line), 0) as used,
                  coalesce(sum(amount) filter (where not is_line), 0) as spent,
                  max(day) as spent_until
           from (select true as is_line, account_id, holder, period, period_start, used as amount,
                        null::date as day
                 from spend_limits where account_id between $1 and $3
                 union all
                 select false, s.account_id, s.holder, l.period, l.period_start, s.amount, s.day
                 from held_and_spent s
                 cross join lateral (
                   select period, period_start from spend_limits
                   where account_id = s.account_id and holder = s.holder offset 0) l
                 where s.day >= (l.period_start at time zone 'UTC')::date) lines
           group by account_id, holder, period) l`,
    [
      {
        promise: 'a spend limit is of an account, or of one of its keys',
        broken: 'holder <> account_id and key_account is distinct from account_id',
        details: `format('the limit by %s is of %s, which is no key of the account', period, holder)`,
      },
      {
        promise: 'the period of a spend limit has begun, at its first instant',
        broken: `period_start > greatest(last_at, statement_timestamp())
          or period_start <> case period when 'total' then 'epoch'
                                         else date_trunc(period::text, period_start, 'UTC') end`,
        details: `format('the limit of %s by %s counts from %s on', holder, period, period_start)`,
      },
      {
        promise: 'a spend limit counts in the period of what was spent last',
        broken: `spent_until > case period
          when 'day' then (period_start at time zone 'UTC')::date
          when 'month' then (period_start at time zone 'UTC' + interval '1 month - 1 day')::date end`,
        details: `format('the limit of %s by %s counts from %s on, and something was spent on %s', holder,
                         period, period_start, spent_until)`,
      },
      {
        promise: 'a spend limit has counted what was spent and held since its period began',
        broken: 'used <> spent',
        details: `format('the limit of %s by %s has counted %s since %s, the operations say %s', holder,
                         period, used, period_start, spent)`,
      },
    ],
    HELD_AND_SPENT,
  ),
};

// --- usage ------------------------------------------------------------------------------------

/** The key of a line in `usage_days` and `usage_quantities`. */
const LINE = 'day, api_key_id, scope, route';
const LINE_COLUMNS = 'day date, api_key_id uuid, scope text, route text';
const LINE_TOLD = `concat_ws(', ', day, 'key ' || api_key_id, 'scope ' || scope, 'route ' || route)`;

const used = (operations: string) => `
  select ${USED} from ${operations} o ${USED_JOIN} where ${IS_USE}`;
const counted = (operations: string) => `
  select ${COUNTED} from ${operations} o ${COUNTED_JOIN} where ${IS_COUNTED}`;
/** The operations that a rollup counts and that are in no range. */
const rolledUp = (lines: (operations: string) => string) => `
  select false, r.account_id, u.* from rollups r
  cross join lateral (${lines(restOf('r.account_id', 'r.number'))}) u
  where r.account_id between $1 and $3`;

const usage: Summed = {
  isRolledUp: true,
  ofRange: ofRange(
    'usage',
    `select ${LINE}, sum(charges) as charges, sum(charged) as charged, sum(reversed) as reversed
     from (${used(inRange('operations'))}) u group by ${LINE}`,
  ),
  check: check(
    'usage',
    `account_id, ${LINE}`,
    `select account_id, ${LINE},
            coalesce(sum(charges) filter (where is_line), 0) as said_charges,
            coalesce(sum(charged) filter (where is_line), 0) as said_charged,
            coalesce(sum(reversed) filter (where is_line), 0) as said_reversed,
            coalesce(sum(charges) filter (where not is_line), 0) as charges,
            coalesce(sum(charged) filter (where not is_line), 0) as charged,
            coalesce(sum(reversed) filter (where not is_line), 0) as reversed
     from (select true as is_line, account_id, ${LINE}, charges, charged, reversed
           from usage_days where account_id between $1 and $3
           union all ${rolledUp(used)}
           union all
           select false, $1, s.*
           from ${keptAs(`${LINE_COLUMNS}, charges bigint, charged numeric, reversed numeric`)}) lines
     group by account_id, ${LINE}`,
    [
      {
        promise: 'usage is what the operations up to its number were',
        broken: '(said_charges, said_charged, said_reversed) <> (charges, charged, reversed)',
        details: `format('usage of %s says %s charges of %s and %s reversed; the operations say %s of %s and %s',
                         ${LINE_TOLD}, said_charges, said_charged, said_reversed, charges, charged,
                         reversed)`,
      },
    ],
  ),
};

const quantities: Summed = {
  isRolledUp: true,
  ofRange: ofRange(
    'quantities',
    `select ${LINE}, quantity, sum(amount) as amount
     from (${counted(inRange('operations'))}) u group by ${LINE}, quantity`,
  ),
  check: check(
    'quantities',
    `account_id, ${LINE}, quantity`,
    `select account_id, ${LINE}, quantity,
            coalesce(sum(amount) filter (where is_line), 0) as said,
            coalesce(sum(amount) filter (where not is_line), 0) as counted
     from (select true as is_line, account_id, ${LINE}, quantity, amount
           from usage_quantities where account_id between $1 and $3
           union all ${rolledUp(counted)}
           union all
           select false, $1, s.* from ${keptAs(`${LINE_COLUMNS}, quantity text, amount numeric`)}) lines
     group by account_id, ${LINE}, quantity`,
    [
      {
        promise: 'the quantities of usage are those that were counted',
        broken: 'said <> counted',
        details: `format('usage of %s says %s of %s, the operations say %s', ${LINE_TOLD}, said, quantity,
                         counted)`,
      },
    ],
  ),
};

export const summed: readonly Summed[] = [grants, limits, usage, quantities];
