import { GRANT_MAKERS } from '../../operations/sql/kinds.ts';
import { check, row } from './check.ts';

/**
 * The proof over the rows that change: balances, grants and holds. They must agree with operations and
 * entries, which are append-only. $1 and $2 the first and the last account, in the order of their ids.
 */

/** Balances with their last operation and entry, sums of holds and reservations, and next due event. */
const BALANCES = `
  select a.id as account_id, b.account_id is not null as has_balance, b.posted, b.held,
         b.open_holds, b.overdraft_reserved, b.last_number, b.last_at, b.next_due_at, o.number, o.at,
         coalesce(e.posted_after, 0) as summed,
         coalesce(h.count, 0) as holds, coalesce(h.sum, 0) as holds_sum,
         coalesce(g.reserved, 0) as reserved, least(h.due_at, g.due_at) as due_at
  from accounts a
  left join balances b on b.account_id = a.id and b.account_id between $1 and $2
  left join lateral (select number, at from operations where account_id = a.id
                     order by number desc limit 1) o on true
  left join lateral (select posted_after from entries where account_id = a.id
                     order by number desc, line desc limit 1) e on true
  left join (select account_id, count(*), sum(amount), min(expires_at) as due_at
             from holds where account_id between $1 and $2 group by account_id) h
    on h.account_id = a.id
  left join (select account_id, sum(reserved) as reserved,
                    min(case when started then expires_at else effective_at end)
                      filter (where ended_at is null) as due_at
             from grants where account_id between $1 and $2 and live group by account_id) g
    on g.account_id = a.id
  where a.id between $1 and $2`;

const balances = check('balances', 'account_id', BALANCES, [
  {
    promise: 'each account has its balance row',
    broken: 'not has_balance',
    details: `'no balance row'`,
  },
  {
    promise: 'the balance knows the number and the instant of its last operation',
    broken: 'last_number <> coalesce(number, 0) or last_at <> at',
    details: `format('the last number is %s at %s; the last operation is %s at %s', last_number,
                     last_at, coalesce(number::text, '(none)'), coalesce(at::text, '(none)'))`,
  },
  {
    // walk.ts proves that posted_after of the last entry is that sum.
    promise: 'posted is the sum of the entries',
    broken: 'posted <> summed',
    details: `format('posted is %s, the entries sum to %s', posted, summed)`,
  },
  {
    promise: 'held is the sum of the open holds, and of what they reserve',
    broken: `held <> holds_sum or open_holds <> holds or held <> reserved + overdraft_reserved`,
    details: `format('held is %s in %s holds; the open holds are %s of %s, and %s are reserved', held,
                     open_holds, holds, holds_sum, reserved + overdraft_reserved)`,
  },
  {
    promise: 'the balance knows when something becomes due next',
    broken: 'due_at is not null and (next_due_at is null or next_due_at > due_at)',
    details: `format('next_due_at is %s, %s is due before', coalesce(next_due_at::text, 'never'),
                     due_at)`,
  },
]);

/** Grants with the operation that made them, and the operations about them, by operations_by_subject. */
const GRANTS = `
  select g.*, o.kind, o.amount as given, o.at as given_at, s.starts, s.voids, s.ends, s.voided_at,
         case when s.extensions > 0 then s.extended_to else o.expires_at end as said_expires_at
  from grants g
  left join lateral ${row('operations', 'g.account_id', 'g.number')} o on true
  cross join lateral (
    select count(*) filter (where s.kind = 'grant_start') as starts,
           count(*) filter (where s.kind = 'grant_void') as voids,
           count(*) filter (where s.kind = 'grant_end') as ends,
           count(*) filter (where s.kind = 'grant_extension') as extensions,
           max(s.at) filter (where s.kind = 'grant_void') as voided_at,
           (array_agg(s.expires_at order by s.number desc)
              filter (where s.kind = 'grant_extension'))[1] as extended_to
    from operations s where s.account_id = g.account_id and s.subject = g.number) s
  where g.account_id between $1 and $2`;

const grants = check('grants', 'account_id, number', GRANTS, [
  {
    promise: 'each grant was made by an operation, on its terms',
    broken: `kind is null or kind not in ${GRANT_MAKERS} or given <> amount
      or effective_at < given_at
      or book is distinct from case when kind = 'adjustment' then 'adjustment'
                                    when category = 'paid' then 'funding'
                                    else 'promotion' end::book`,
    details: `format('grant %s was not made by operation %s on these terms', number,
                     coalesce(kind::text, '(none)'))`,
  },
  {
    promise: 'a grant is started and ended as its operations say, once',
    broken: `started <> (effective_at <= given_at or starts > 0) or starts > 1 or voids > 1
      or (ended_by is not distinct from 'void') <> (voids > 0)
      or (ended_at is null and ends > 0)`,
    details: `format('grant %s is %s and %s; its operations are %s starts, %s voids, %s ends', number,
                     case when started then 'started' else 'not started' end,
                     coalesce('ended by ' || ended_by::text, 'not ended'), starts, voids, ends)`,
  },
  {
    promise: 'a grant that has ended ended at its expiry or its void',
    broken: `ended_at is distinct from case ended_by when 'expiry' then expires_at
                                                     when 'void' then voided_at end`,
    details: `format('grant %s ended by %s at %s; its expiry is %s, its void %s', number, ended_by,
                     ended_at, coalesce(expires_at::text, 'never'), coalesce(voided_at::text, 'never'))`,
  },
  {
    promise: "a grant's expiry is the one it was made with, or the last extension's",
    broken: 'expires_at is distinct from said_expires_at',
    details: `format('grant %s expires at %s, its operations say %s', number,
                     coalesce(expires_at::text, 'never'), coalesce(said_expires_at::text, 'never'))`,
  },
]);

const holds = check(
  'open_holds',
  'account_id, number',
  `select h.*, o.kind, o.amount as made, o.expires_at as made_until,
          (select coalesce(sum(a), 0) from unnest(h.amounts) as a) as slices
   from holds h left join lateral ${row('operations', 'h.account_id', 'h.number')} o on true
   where h.account_id between $1 and $2`,
  [
    {
      promise: 'each open hold is as its operation made it',
      broken: `kind is distinct from 'hold' or made <> amount or made_until <> expires_at
        or slices <> amount`,
      details: `format('hold %s of %s until %s reserves %s; its operation is %s of %s until %s', number,
                       amount, expires_at, slices, coalesce(kind::text, '(none)'), made, made_until)`,
    },
  ],
);

const reserved = check(
  'reserved',
  'account_id, number',
  `select account_id, number, coalesce(g.reserved, 0) as reserved, coalesce(h.sum, 0) as sum
   from (select account_id, number, reserved from grants
         where account_id between $1 and $2 and live) g
   full join (select h.account_id, s.number, sum(s.amount)
              from holds h cross join unnest(h.grants, h.amounts) as s (number, amount)
              where h.account_id between $1 and $2 and s.number is not null
              group by h.account_id, s.number) h
     using (account_id, number)`,
  [
    {
      promise: 'what is reserved of each grant is what the open holds reserve of it',
      broken: 'reserved <> sum',
      details: `format('%s is reserved of grant %s, the open holds reserve %s', reserved, number, sum)`,
    },
  ],
);

export const states = [balances, grants, holds, reserved];
