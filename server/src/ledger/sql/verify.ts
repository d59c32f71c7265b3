import type { Statement } from '../../db/database.ts';

/**
 * The proof of ledger.md §9, as questions that a sound ledger answers with no row. Each takes account
 * ids as $1 and answers the first offender: its account, and what is wrong in words.
 */

export interface OffenderRow {
  account_id: string;
  details: string;
}

export interface Check {
  /** What holds, as a sentence. */
  readonly promise: string;
  readonly statement: Statement;
}

/** A large account takes its time: nobody's request waits for it. */
const LONGEST_CHECK_MS = 3_600_000;

function check(name: string, promise: string, text: string): Check {
  return {
    promise,
    statement: { name: `verify_${name}`, text, answerTimeoutMs: LONGEST_CHECK_MS },
  };
}

/** All that a chunk's checks see is one snapshot. */
export const snapshot: Statement = {
  name: 'verify_snapshot',
  text: 'set transaction isolation level repeatable read, read only',
};

export const patience: Statement = {
  name: 'verify_patience',
  text: `set local statement_timeout = ${LONGEST_CHECK_MS}`,
};

/** Accounts by their id. $1 the account before the chunk or null, $2 rows. */
export const chunk: Statement = {
  name: 'verify_chunk',
  text: `
    select id from accounts where $1::uuid is null or id > $1 order by id limit $2`,
};

export const size: Statement = {
  name: 'verify_size',
  text: 'select count(*) as accounts from accounts',
};

/** $1 account ids. */
export const counts: Statement = {
  name: 'verify_counts',
  answerTimeoutMs: LONGEST_CHECK_MS,
  text: `
    select (select count(*) from operations where account_id = any($1::uuid[])) as operations,
           (select count(*) from entries where account_id = any($1::uuid[])) as entries`,
};

export const publicIds: Statement = {
  name: 'verify_public_ids',
  text: 'select public_id from accounts where id = $1',
};

/** Rows whose account is not there; no foreign key says so. Looks at each account id once. */
export const strayAccounts: Statement = {
  name: 'verify_stray_accounts',
  answerTimeoutMs: LONGEST_CHECK_MS,
  text: ['balances', 'grants', 'operations', 'entries']
    .map(
      (table) => `
    (with recursive ids as (
       (select account_id as id from ${table} order by account_id limit 1)
       union all
       select (select t.account_id from ${table} t
               where t.account_id > ids.id order by t.account_id limit 1)
       from ids where ids.id is not null
     )
     select ids.id as account_id, 'rows in ${table} belong to no account' as details
     from ids where ids.id is not null
       and not exists (select from accounts a join balances b on b.account_id = a.id
                       where a.id = ids.id)
     limit 1)`,
    )
    .join(' union all '),
};

export const checks: readonly Check[] = [
  check(
    'balance_row',
    'each account has its balance row',
    `
    select a.id as account_id, 'no balance row' as details
    from accounts a left join balances b on b.account_id = a.id
    where a.id = any($1::uuid[]) and b.account_id is null limit 1`,
  ),
  check(
    'numbers',
    'operation numbers run from 1 without a gap, up to the last number of the balance',
    `
    select b.account_id,
           format('operation %s stands at place %s; the last number is %s',
                  coalesce(o.number::text, '(none)'), coalesce(o.place, 0), b.last_number) as details
    from balances b
    left join lateral (
      select p.number, p.place, p.last
      from (select number, row_number() over w as place, number = max(number) over () as last
            from operations where account_id = b.account_id
            window w as (order by number)) p
      where p.number <> p.place or p.last
      order by p.number limit 1
    ) o on true
    where b.account_id = any($1::uuid[])
      and (coalesce(o.number, 0) <> coalesce(o.place, 0) or coalesce(o.number, 0) <> b.last_number)
    order by b.account_id limit 1`,
  ),
  check(
    'instants',
    'the instant of operations never decreases with their number',
    `
    select account_id, format('operation %s is at %s, the one before it at %s', number, at, before)
             as details
    from (select account_id, number, at,
                 lag(at) over (partition by account_id order by number) as before
          from operations where account_id = any($1::uuid[])) o
    where before > at order by account_id, number limit 1`,
  ),
  check(
    'last_at',
    'the balance knows the instant of its last operation',
    `
    select b.account_id, format('last_at is %s, operation %s is at %s', b.last_at, o.number, o.at)
             as details
    from balances b join operations o on o.account_id = b.account_id and o.number = b.last_number
    where b.account_id = any($1::uuid[]) and b.last_at <> o.at
    order by b.account_id limit 1`,
  ),
  check(
    'running_sum',
    'each posted_after is the running sum of the entries',
    `
    select account_id,
           format('entry %s.%s says %s after it, the sum is %s', number, line, posted_after, running)
             as details
    from (select account_id, number, line, posted_after,
                 sum(amount) over (partition by account_id order by number, line) as running
          from entries where account_id = any($1::uuid[])) e
    where posted_after <> running order by account_id, number, line limit 1`,
  ),
  check(
    'lines',
    'the lines of an operation run from 1 without a gap',
    `
    select account_id, format('entry %s.%s stands at place %s', number, line, place) as details
    from (select account_id, number, line,
                 row_number() over (partition by account_id, number order by line) as place
          from entries where account_id = any($1::uuid[])) e
    where line <> place order by account_id, number, line limit 1`,
  ),
  check(
    'posted',
    'posted is the sum of the entries',
    `
    select b.account_id, format('posted is %s, the entries sum to %s', b.posted, coalesce(e.sum, 0))
             as details
    from balances b
    left join (select account_id, sum(amount) from entries
               where account_id = any($1::uuid[]) group by account_id) e using (account_id)
    where b.account_id = any($1::uuid[]) and b.posted <> coalesce(e.sum, 0)
    order by b.account_id limit 1`,
  ),
  check(
    'operation_amount',
    'the amount of each operation is the sum of its entries, in its direction',
    `
    select account_id,
           format('operation %s (%s) has the amount %s, its entries sum to %s',
                  number, coalesce(kind::text, 'missing'), amount, coalesce(sum, 0)) as details
    from (select account_id, number, kind, amount from operations
          where account_id = any($1::uuid[])) o
    full join (select account_id, number, sum(amount) from entries
               where account_id = any($1::uuid[]) group by account_id, number) e
      using (account_id, number)
    where kind is null
       or coalesce(sum, 0) <> case kind when 'grant' then amount when 'charge' then -amount end
    order by account_id, number limit 1`,
  ),
  check(
    'grant_remaining',
    'what remains of each grant is the sum of its entries',
    `
    select account_id,
           format('grant %s has %s left, its entries sum to %s',
                  number, coalesce(remaining::text, 'no row and nothing'), coalesce(sum, 0))
             as details
    from (select account_id, number, remaining from grants where account_id = any($1::uuid[])) g
    full join (select account_id, grant_number as number, sum(amount) from entries
               where account_id = any($1::uuid[]) and grant_number is not null
               group by account_id, grant_number) e
      using (account_id, number)
    where remaining is null or remaining <> coalesce(sum, 0)
    order by account_id, number limit 1`,
  ),
  check(
    'grant_operation',
    'each grant was made by its operation, with the same amount',
    `
    select g.account_id, format('grant %s has no grant operation of its amount', g.number) as details
    from grants g
    left join operations o
      on o.account_id = g.account_id and o.number = g.number and o.kind = 'grant'
     and o.amount = g.amount
    where g.account_id = any($1::uuid[]) and o.number is null
    order by g.account_id, g.number limit 1`,
  ),
  check(
    'grants_posted',
    'what remains of all grants, less the overdraft used, is posted',
    `
    select b.account_id,
           format('posted is %s; the grants have %s left and the overdraft used is %s',
                  b.posted, coalesce(g.sum, 0), b.overdraft_used) as details
    from balances b
    left join (select account_id, sum(remaining) from grants
               where account_id = any($1::uuid[]) and started and ended_at is null
               group by account_id) g using (account_id)
    where b.account_id = any($1::uuid[])
      and b.posted <> coalesce(g.sum, 0) - b.overdraft_used
    order by b.account_id limit 1`,
  ),
  check(
    'held',
    'held is what the grants have reserved',
    `
    select b.account_id, format('held is %s, the grants have reserved %s', b.held, coalesce(g.sum, 0))
             as details
    from balances b
    left join (select account_id, sum(reserved) from grants
               where account_id = any($1::uuid[]) group by account_id) g using (account_id)
    where b.account_id = any($1::uuid[]) and b.held <> coalesce(g.sum, 0)
    order by b.account_id limit 1`,
  ),
  check(
    'books',
    'each entry stands in the book and category that its operation and its grant call for',
    `
    select e.account_id,
           format('entry %s.%s of a %s is in the book %s and the category %s',
                  e.number, e.line, o.kind, e.book, e.category) as details
    from entries e
    join operations o on o.account_id = e.account_id and o.number = e.number
    left join grants g on g.account_id = e.account_id and g.number = e.grant_number
    left join grants made on made.account_id = e.account_id and made.number = e.number
    where e.account_id = any($1::uuid[])
      and (e.category::text <> coalesce(g.category::text, 'overdraft')
           or e.book <> case o.kind
                when 'charge' then 'revenue'::book
                when 'grant' then case made.category
                  when 'paid' then 'funding'::book else 'promotion'::book end
              end)
    order by e.account_id, e.number, e.line limit 1`,
  ),
  check(
    'charge_keys',
    'a key that a charge names is a key of its account',
    `
    select o.account_id, format('operation %s names the key %s', o.number, o.api_key_id) as details
    from operations o left join api_keys k on k.id = o.api_key_id
    where o.account_id = any($1::uuid[]) and o.api_key_id is not null
      and k.account_id is distinct from o.account_id
    order by o.account_id, o.number limit 1`,
  ),
];
