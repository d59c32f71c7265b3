import { kindsThat, type Thing } from '../../operations/kinds.ts';
import { GRANT_MAKERS, HOLD_ENDINGS, kindsIn, USES } from '../../operations/sql/kinds.ts';
import { check, inRange, proof, row } from './check.ts';

/**
 * The proof over operations and entries, which are append-only, in ranges of their order (`inRange`).
 *
 * Several small accounts are one range, and a large account is several. The rows before a range have been
 * proved, so it begins with the sums of the row before it. No follower comes after the last operation of a
 * range, so the balance after each operation is known within it.
 */

/** Kinds that can follow from the operation before, at the same instant. */
const FOLLOWERS = kindsIn(({ arises }) => arises.includes('follows'));
/** Kinds that become due by themselves. */
const DUE = kindsIn(({ arises }) => arises.includes('due'));
/** Kinds after which a `grant_end` follows: they give back to a grant that has ended, or are its end. */
const LED = kindsIn(
  ({ subject, book }) => subject === 'hold' || subject === 'charge' || book === 'ending',
);

/** The actor of a row, in words. */
const ACTOR = `concat_ws(' ', coalesce(actor::text, 'nobody known'), actor_id)`;

/** Kinds that make a grant, or move the credit of the one that they are about. */
const GRANT_KINDS = kindsIn(
  ({ makes, subject, book }) => makes === 'grant' || (subject === 'grant' && book !== undefined),
);

/** A branch of `case`: from kinds about a thing to the kinds that make one. */
function subjectsOf(thing: Thing): string {
  const makers = kindsThat(({ makes }) => makes === thing).map((kind) => `'${kind}'`);
  return `when kind in ${kindsIn(({ subject }) => subject === thing)} then array[${makers.join(', ')}]`;
}

/**
 * Operations with the sum of their entries, their subject, the instant before them, and the available
 * balance that the sums give.
 */
const OPERATIONS = `
  select o.*, g.number as grant_number, g.amount as granted, g.effective_at,
         case o.kind when 'hold_expiry' then o.subject_expires_at
                     when 'grant_start' then g.effective_at
                     when 'grant_end' then case g.ended_by when 'expiry' then g.expires_at end
           end as due_at,
         k.account_id as key_account, a.account_id as actor_account, p.id as operator_key,
         n.kind as next_kind, n.available_after as next_available,
         b.kind as kind_before, b.actor as actor_before, b.actor_id as actor_id_before,
         b.available_after as available_before
  from (
    select o.account_id, o.number, o.kind, o.at, o.amount, o.available_after, o.subject, o.api_key_id,
           o.actor, o.actor_id, coalesce(e.sum, 0) as sum,
           s.kind as subject_kind, s.amount as subject_amount, s.expires_at as subject_expires_at,
           s.actor as subject_actor,
           case o.account_id when $1 then $2::bigint else 0 end + row_number() over account as place,
           lag(o.at, 1, case o.account_id when $1 then (
             select at from operations where account_id = $1 and number = $2) end)
             over account as at_before,
           case o.account_id when $1 then coalesce((
             select available_after from operations where account_id = $1 and number = $2), 0)
             else 0 end
           + sum(coalesce(e.sum, 0) + case o.kind
               when 'hold' then -o.amount
               when 'capture' then s.amount
               when 'hold_void' then o.amount
               when 'hold_expiry' then o.amount
               else 0 end) over account as available
    from ${inRange('operations')} o
    left join (select e.account_id, e.number, sum(e.amount) from ${inRange('entries')} e
               group by e.account_id, e.number) e
      on e.account_id = o.account_id and e.number = o.number
    left join lateral ${row('operations', 'o.account_id', 'o.subject')} s on true
    window account as (partition by o.account_id order by o.number)
  ) o
  left join lateral ${row('grants', 'o.account_id', `case when o.kind in ${GRANT_KINDS} then coalesce(o.subject, o.number) end`)} g on true
  left join lateral ${row('api_keys', 'o.api_key_id')} k on true
  left join lateral ${row('api_keys', `case o.actor when 'api_key' then o.actor_id end`)} a on true
  left join lateral ${row('operator_keys', `case o.actor when 'operator_key' then o.actor_id end`)} p on true
  left join lateral ${row(
    'operations',
    'o.account_id',
    'case when o.available_after <> o.available then o.number + 1 end',
  )} n on true
  left join lateral ${row(
    'operations',
    'o.account_id',
    `case when o.kind = 'overage' or o.kind in ${DUE} then o.number - 1 end`,
  )} b on true`;

const AVAILABLE = 'each operation says what was available after it and all that followed from it';

const operations = check('operations', 'account_id, number', OPERATIONS, [
  {
    promise: 'operation numbers run from 1 without a gap',
    broken: 'number <> place',
    details: `format('operation %s stands at place %s', number, place)`,
  },
  {
    promise: 'the instant of operations never decreases with their number',
    broken: 'at < at_before',
    details: `format('operation %s is at %s, the one before it at %s', number, at, at_before)`,
  },
  {
    promise: 'each operation is about one that it can be about',
    broken: `subject is not null and (subject_kind::text = any (case
      ${subjectsOf('hold')}
      ${subjectsOf('charge')}
      ${subjectsOf('grant')} end)) is not true`,
    details: `format('operation %s (%s) is about operation %s, which is %s', number, kind, subject,
                     coalesce('a ' || subject_kind::text, 'missing'))`,
  },
  {
    promise: 'the amount of each operation is the sum of its entries, in the direction of its kind',
    broken: `sum <> case
      when kind in ${kindsIn(({ entries }) => entries === '+amount if in effect')}
        then case when effective_at <= at then amount else 0 end
      when kind in ${kindsIn(({ entries }) => entries === '+amount' || entries === 'amount')} then amount
      when kind in ${kindsIn(({ entries }) => entries === 'none')} then 0
      else -amount end`,
    details: `format('operation %s (%s) has the amount %s, its entries sum to %s', number, kind, amount, sum)`,
  },
  {
    promise: 'what gives credit makes a grant of its amount',
    broken: `kind in ${GRANT_MAKERS} and not (kind = 'adjustment' and amount <= 0)
      and (grant_number is distinct from number or granted <> amount)`,
    details: `format('operation %s gave %s, its grant has %s', number, amount,
                     coalesce(granted::text, 'no row'))`,
  },
  {
    promise: 'a hold gives back what it reserved, and a capture takes that at most',
    broken: `(kind = 'capture' and amount > subject_amount)
      or (kind in ('hold_void', 'hold_expiry') and amount <> subject_amount)`,
    details: `format('operation %s (%s) of %s ends hold %s of %s', number, kind, amount, subject,
                     subject_amount)`,
  },
  {
    promise: AVAILABLE,
    broken: `available_after <> available
      and not coalesce(next_kind in ${FOLLOWERS} and available_after = next_available, false)`,
    details: `format('operation %s (%s) says %s after it, it was %s', number, kind, available_after,
                     available)`,
  },
  {
    promise: AVAILABLE,
    broken: `kind = 'overage' and available_after <> available_before`,
    details: `format('operation %s (capture) says %s after it, its overage says %s', number - 1,
                     available_before, available_after)`,
  },
  {
    // A release before actors could forget an open hold. The next release books its expiry late, at the
    // instant of the operation before. No event is ever early.
    promise:
      'what becomes due is booked at its instant, and what comes back into an ended grant leaves at once',
    broken: `kind in ${DUE} and at is distinct from due_at and not coalesce(at = at_before and (
      (at > due_at and (actor is null or actor_before is null or subject_actor is null
                        or kind_before in ${DUE}))
      or (kind = 'grant_end' and kind_before in ${LED})), false)`,
    details: `format('operation %s (%s) of operation %s is at %s, due at %s', number, kind, subject, at,
                     coalesce(due_at::text, 'no time'))`,
  },
  {
    promise: 'a key that an operation names is a key of its account',
    broken: 'api_key_id is not null and key_account is distinct from account_id',
    details: `format('operation %s names the key %s', number, api_key_id)`,
  },
  {
    promise: 'who did an operation is somebody who could',
    broken: `case
      when actor = 'operator_key' then operator_key is null
      when actor = 'api_key' then
        case when actor_id is null then api_key_id is null else actor_account is distinct from account_id end
      when actor is null or actor in ('local', 'sweeper', 'gateway') then actor_id is not null end
      or (actor is not null and (actor = 'sweeper') <> (kind in ${DUE}))
      or (kind = 'overage' and (actor, actor_id) is distinct from (actor_before, actor_id_before))`,
    details: `format('operation %s (%s) is by %s', number, kind, ${ACTOR})`,
  },
]);

/** Entries with their operation, the grant that they move, and the grant that it made or is about. */
const ENTRIES = `
  select e.*, g.category as grant_category, about.book as about_book, about.ended_by
  from (
    select e.account_id, e.number, e.line, e.grant_number, e.category, e.book, e.posted_after,
           o.kind, o.subject,
           e.line - row_number() over (partition by e.account_id, e.number order by e.line) as off,
           case e.account_id when $1 then coalesce((
             select posted_after from entries where account_id = $1 and number <= $2
             order by number desc, line desc limit 1), 0)
             else 0 end
           + sum(e.amount) over (partition by e.account_id order by e.number, e.line) as running
    from ${inRange('entries')} e
    left join ${inRange('operations')} o on o.account_id = e.account_id and o.number = e.number
  ) e
  left join lateral ${row('grants', 'e.account_id', 'e.grant_number')} g on true
  left join lateral ${row('grants', 'e.account_id', `case when e.kind in ${GRANT_KINDS} then coalesce(e.subject, e.number) end`)} about on true`;

const entries = check('entries', 'account_id, number, line', ENTRIES, [
  {
    promise: 'each entry belongs to an operation',
    broken: 'kind is null',
    details: `format('entry %s.%s has no operation', number, line)`,
  },
  {
    promise: 'the lines of an operation run from 1 without a gap',
    broken: 'off <> 0',
    details: `format('entry %s.%s is out of its place', number, line)`,
  },
  {
    promise: 'each posted_after is the running sum of the entries',
    broken: 'posted_after <> running',
    details: `format('entry %s.%s says %s after it, the sum is %s', number, line, posted_after, running)`,
  },
  {
    promise: 'each entry stands in the book and category that its operation and its grant call for',
    broken: `category::text <> coalesce(grant_category::text, 'overdraft')
      or book is distinct from case
        when kind in ${USES} then 'revenue'
        when kind in ${kindsIn(({ book }) => book === 'adjustment')} then 'adjustment'
        when kind in ${kindsIn(({ book }) => book === 'ending')} and ended_by = 'expiry' then 'breakage'
        else about_book end`,
    details: `format('entry %s.%s of a %s is in the book %s and the category %s',
                     number, line, kind, book, category)`,
  },
]);

/** Holds with the number of their endings and whether they are open, by operations_by_subject. */
const HOLDS = `
  select o.account_id, o.number, h.number is not null as is_open, e.*
  from ${inRange('operations')} o
  left join holds h on h.account_id = o.account_id and h.number = o.number
   and h.account_id between $1 and $3
  cross join lateral (
    select count(*) filter (where e.kind in ${HOLD_ENDINGS}) as endings,
           count(*) filter (where e.kind = 'capture') as captures,
           count(*) filter (where e.kind = 'overage') as overages,
           string_agg(format('operation %s (%s)', e.number, e.kind), ', ' order by e.number) as by
    from operations e where e.account_id = o.account_id and e.subject = o.number) e
  where o.kind = 'hold'`;

const holds = check('holds', 'account_id, number', HOLDS, [
  {
    promise: 'a hold is open until it ends, and ends once',
    broken: 'endings + is_open::integer > 1',
    details: `format('hold %s ended by %s%s', number, by, case when is_open then ' and is open' end)`,
  },
  {
    promise: 'a hold that has not ended has its row',
    broken: 'endings = 0 and not is_open',
    details: `format('hold %s has neither ended nor a row of an open hold', number)`,
  },
  {
    promise: 'an overage stands beside a capture of its hold',
    broken: 'overages > captures',
    details: `format('hold %s ended by %s', number, by)`,
  },
]);

/** For the charges that the range reverses: the amounts that all their reversals gave back, by payer. */
const REVERSALS = `
  select c.account_id, c.subject, s.amount, back.grant_number, back.amount as back,
         sum(back.amount) over (partition by c.account_id, c.subject) as all_back,
         coalesce((
           select -sum(e.amount) from entries e
           where e.account_id = c.account_id and e.number = c.subject
             and e.grant_number is not distinct from back.grant_number), 0) as paid
  from (select distinct o.account_id, o.subject from ${inRange('operations')} o
        where o.kind = 'reversal') c
  cross join lateral ${row('operations', 'c.account_id', 'c.subject')} s
  cross join lateral (
    select e.grant_number, sum(e.amount) as amount
    from operations v
    cross join lateral (
      select * from entries where account_id = v.account_id and number = v.number offset 0) e
    where v.account_id = c.account_id and v.subject = c.subject and v.kind = 'reversal'
    group by e.grant_number) back`;

const reversals = check('reversals', 'account_id, subject', REVERSALS, [
  {
    promise: 'the reversals of a charge give back its amount at most',
    broken: 'all_back > amount',
    details: `format('charge %s is of %s, its reversals gave %s back', subject, amount, all_back)`,
  },
  {
    promise: 'no payer of a charge is given back more than it paid',
    broken: 'back > paid',
    details: `format('charge %s took %s from grant %s, its reversals gave %s back', subject, paid,
                     coalesce(grant_number::text, 'overdraft'), back)`,
  },
]);

export const walks = [operations, entries, holds, reversals];

/** The operations and entries in a range. */
export const counts = proof(
  'counts',
  `
    select (select count(*) from ${inRange('operations')} o) as operations,
           (select count(*) from ${inRange('entries')} e) as entries`,
);

/**
 * The first operation from a number on that no follower comes after. No row: no later operation stands for
 * itself. $1 account, $2 number.
 */
export const endOfRange = proof(
  'end_of_range',
  `
    select o.number - 1 as number from operations o
    where o.account_id = $1 and o.number > $2 and o.kind not in ${FOLLOWERS}
    order by o.number limit 1`,
);
