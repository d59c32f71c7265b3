import { type Check, LONGEST_CHECK_MS } from './verify.ts';

/**
 * The proof of ledger.md §9 over what is append-only: operations and entries in ranges of numbers.
 * Each takes accounts as $1, the number after which a range begins as $2 and its last number as $3,
 * and answers the first offender. What lies before a range has been proved before, so a range begins
 * with what the row before it says.
 */

const RANGES = 'unnest($1::uuid[], $2::bigint[], $3::bigint[]) as r (account_id, after, last)';
const OPERATIONS = `${RANGES}
    join operations o on o.account_id = r.account_id and o.number > r.after and o.number <= r.last`;
const ENTRIES = `${RANGES}
    join entries e on e.account_id = r.account_id and e.number > r.after and e.number <= r.last`;

const HOLD_ENDINGS = `('capture', 'hold_void', 'hold_expiry')`;

function walk(name: string, promise: string, text: string): Check {
  return {
    promise,
    statement: { name: `verify_${name}`, text, answerTimeoutMs: LONGEST_CHECK_MS },
  };
}

export const walks: readonly Check[] = [
  walk(
    'numbers',
    'operation numbers run from 1 without a gap',
    `
    select account_id, format('operation %s stands at place %s', number, place) as details
    from (select o.account_id, o.number,
                 r.after + row_number() over (partition by o.account_id order by o.number) as place
          from ${OPERATIONS}) o
    where number <> place order by account_id, number limit 1`,
  ),
  walk(
    'instants',
    'the instant of operations never decreases with their number',
    `
    select account_id, format('operation %s is at %s, the one before it at %s', number, at, before)
             as details
    from (select o.account_id, o.number, o.at,
                 coalesce(lag(o.at) over (partition by o.account_id order by o.number),
                          (select p.at from operations p
                           where p.account_id = r.account_id and p.number = r.after)) as before
          from ${OPERATIONS}) o
    where before > at order by account_id, number limit 1`,
  ),
  walk(
    'running_sum',
    'each posted_after is the running sum of the entries',
    `
    select account_id,
           format('entry %s.%s says %s after it, the sum is %s', number, line, posted_after, running)
             as details
    from (select e.account_id, e.number, e.line, e.posted_after,
                 coalesce((select p.posted_after from entries p
                           where p.account_id = r.account_id and p.number <= r.after
                           order by p.number desc, p.line desc limit 1), 0)
                 + sum(e.amount) over (partition by e.account_id order by e.number, e.line)
                   as running
          from ${ENTRIES}) e
    where posted_after <> running order by account_id, number, line limit 1`,
  ),
  walk(
    'lines',
    'the lines of an operation run from 1 without a gap',
    `
    select account_id, format('entry %s.%s stands at place %s', number, line, place) as details
    from (select e.account_id, e.number, e.line,
                 row_number() over (partition by e.account_id, e.number order by e.line) as place
          from ${ENTRIES}) e
    where line <> place order by account_id, number, line limit 1`,
  ),
  walk(
    'amounts',
    'the amount of each operation is the sum of its entries, in the direction of its kind',
    `
    select account_id,
           format('operation %s (%s) has the amount %s, its entries sum to %s',
                  number, coalesce(kind::text, 'missing'), amount, coalesce(sum, 0)) as details
    from (select o.account_id, o.number, o.kind, o.amount, g.effective_at <= o.at as at_once
          from ${OPERATIONS}
          left join grants g
            on o.kind = 'grant' and g.account_id = o.account_id and g.number = o.number) o
    full join (select e.account_id, e.number, sum(e.amount) from ${ENTRIES}
               group by e.account_id, e.number) e
      using (account_id, number)
    where kind is null
       or coalesce(sum, 0) <> case
            when kind = 'grant' then case when at_once then amount else 0 end
            when kind in ('grant_start', 'reversal', 'adjustment') then amount
            when kind in ('hold', 'hold_void', 'hold_expiry', 'grant_extension') then 0
            else -amount
          end
    order by account_id, number limit 1`,
  ),
  walk(
    'books',
    'each entry stands in the book and category that its operation and its grant call for',
    `
    select e.account_id,
           format('entry %s.%s of a %s is in the book %s and the category %s',
                  e.number, e.line, o.kind, e.book, e.category) as details
    from ${ENTRIES}
    join operations o on o.account_id = e.account_id and o.number = e.number
    left join grants g on g.account_id = e.account_id and g.number = e.grant_number
    left join grants about
      on about.account_id = e.account_id and about.number = coalesce(o.subject, o.number)
    where e.category::text <> coalesce(g.category::text, 'overdraft')
       or e.book is distinct from case
            when o.kind in ('charge', 'capture', 'overage', 'reversal') then 'revenue'
            when o.kind = 'adjustment' then 'adjustment'
            when o.kind = 'grant_end' and about.ended_by = 'expiry' then 'breakage'
            else about.book
          end
    order by e.account_id, e.number, e.line limit 1`,
  ),
  walk(
    'subjects',
    'each operation is about one that it can be about',
    `
    select o.account_id,
           format('operation %s (%s) is about operation %s, which is %s',
                  o.number, o.kind, o.subject, coalesce('a ' || s.kind::text, 'missing')) as details
    from ${OPERATIONS}
    left join operations s on s.account_id = o.account_id and s.number = o.subject
    where o.subject is not null
      and (s.kind is null or s.kind::text <> all (case
             when o.kind in ('capture', 'overage', 'hold_void', 'hold_expiry') then array['hold']
             when o.kind = 'reversal' then array['charge', 'capture', 'overage']
             else array['grant', 'adjustment']
           end))
    order by o.account_id, o.number limit 1`,
  ),
  walk(
    'endings',
    'a hold ends once, and a grant starts and is voided once',
    `
    select o.account_id,
           format('operation %s (%s) and operation %s (%s) are both about operation %s',
                  o.number, o.kind, other.number, other.kind, o.subject) as details
    from ${OPERATIONS}
    join operations other
      on other.account_id = o.account_id and other.subject = o.subject and other.number < o.number
    where (o.kind in ${HOLD_ENDINGS} and other.kind in ${HOLD_ENDINGS})
       or (o.kind in ('grant_start', 'grant_void', 'overage') and other.kind = o.kind)
    order by o.account_id, o.number limit 1`,
  ),
  walk(
    'overages',
    'an overage stands beside a capture of its hold',
    `
    select o.account_id, format('operation %s is an overage of hold %s without a capture',
                                o.number, o.subject) as details
    from ${OPERATIONS}
    where o.kind = 'overage' and not exists (
      select from operations c
      where c.account_id = o.account_id and c.subject = o.subject and c.kind = 'capture')
    order by o.account_id, o.number limit 1`,
  ),
  walk(
    'open_holds_kept',
    'a hold that has not ended has its row',
    `
    select o.account_id, format('hold %s has neither ended nor a row of an open hold', o.number)
             as details
    from ${OPERATIONS}
    left join holds h on h.account_id = o.account_id and h.number = o.number
    where o.kind = 'hold' and h.number is null and not exists (
      select from operations e
      where e.account_id = o.account_id and e.subject = o.number and e.kind in ${HOLD_ENDINGS})
    order by o.account_id, o.number limit 1`,
  ),
  walk(
    'hold_amounts',
    'a hold gives back what it reserved, and a capture takes that at most',
    `
    select o.account_id, format('operation %s (%s) of %s ends hold %s of %s',
                                o.number, o.kind, o.amount, h.number, h.amount) as details
    from ${OPERATIONS}
    join operations h on h.account_id = o.account_id and h.number = o.subject
    where (o.kind = 'capture' and o.amount > h.amount)
       or (o.kind in ('hold_void', 'hold_expiry') and o.amount <> h.amount)
    order by o.account_id, o.number limit 1`,
  ),
  walk(
    'reversals',
    'no payer of a charge is given back more than it paid',
    `
    select o.account_id,
           format('charge %s took %s from grant %s, and its reversals gave %s back',
                  o.subject, coalesce(paid.amount, 0), coalesce(back.grant_number::text, 'overdraft'),
                  back.amount) as details
    from ${OPERATIONS}
    cross join lateral (
      select e.grant_number, sum(e.amount) as amount
      from operations v
      join entries e on e.account_id = v.account_id and e.number = v.number
      where v.account_id = o.account_id and v.subject = o.subject and v.kind = 'reversal'
      group by e.grant_number) back
    left join lateral (
      select -sum(e.amount) as amount from entries e
      where e.account_id = o.account_id and e.number = o.subject
        and e.grant_number is not distinct from back.grant_number) paid on true
    where o.kind = 'reversal' and back.amount > coalesce(paid.amount, 0)
    order by o.account_id, o.number limit 1`,
  ),
  walk(
    'grants_made',
    'what gives credit makes a grant of its amount',
    `
    select o.account_id, format('operation %s gave %s, its grant has %s', o.number, o.amount,
                                coalesce(g.amount::text, 'no row')) as details
    from ${OPERATIONS}
    left join grants g on g.account_id = o.account_id and g.number = o.number
    where (o.kind = 'grant' or (o.kind = 'adjustment' and o.amount > 0))
      and g.amount is distinct from o.amount
    order by o.account_id, o.number limit 1`,
  ),
  walk(
    'keys',
    'a key that an operation names is a key of its account',
    `
    select o.account_id, format('operation %s names the key %s', o.number, o.api_key_id) as details
    from ${OPERATIONS}
    left join api_keys k on k.id = o.api_key_id
    where o.api_key_id is not null and k.account_id is distinct from o.account_id
    order by o.account_id, o.number limit 1`,
  ),
];

export interface SumRow {
  account_id: string;
  /** Null is the overdraft line. */
  grant_number: bigint | null;
  /** Microcents as text: on the way it may leave int64. */
  sum: string;
}

/** What the entries of ranges moved, by grant. */
export const sums = {
  name: 'verify_sums',
  answerTimeoutMs: LONGEST_CHECK_MS,
  text: `
    select e.account_id, e.grant_number, sum(e.amount)::text as sum
    from ${ENTRIES} group by e.account_id, e.grant_number`,
};

/** How much was looked at. */
export const counts = {
  name: 'verify_counts',
  answerTimeoutMs: LONGEST_CHECK_MS,
  text: `
    select (select count(*) from ${OPERATIONS}) as operations,
           (select count(*) from ${ENTRIES}) as entries`,
};
