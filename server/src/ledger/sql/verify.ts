import type { Statement } from '../../db/database.ts';
import { BEFORE_ALL } from './accounts.ts';

/**
 * The proof of ledger.md §9 over what changes: balances, grants, holds and limits, as questions that a
 * sound ledger answers with no row. Each takes accounts as $1 and answers the first offender: its
 * account, and what is wrong in words. What is append-only is proved by verify-walk.ts.
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
export const LONGEST_CHECK_MS = 3_600_000;

function check(name: string, promise: string, text: string): Check {
  return {
    promise,
    statement: { name: `verify_${name}`, text, answerTimeoutMs: LONGEST_CHECK_MS },
  };
}

/** All that a turn's checks see is one snapshot. */
export const snapshot: Statement = {
  name: 'verify_snapshot',
  text: 'set transaction isolation level repeatable read, read only',
};

export const patience: Statement = {
  name: 'verify_patience',
  text: `set local statement_timeout = ${LONGEST_CHECK_MS}`,
};

export interface AccountRow {
  id: string;
  public_id: string;
  last_number: bigint | null;
}

/**
 * Accounts by their id; balances are looked up each, as a join may begin at the first. $1 the account
 * before the chunk or null, $2 rows.
 */
export const chunk: Statement = {
  name: 'verify_chunk',
  text: `
    select a.id, a.public_id,
           (select b.last_number from balances b where b.account_id = a.id) as last_number
    from accounts a
    where a.id > coalesce($1, ${BEFORE_ALL}) order by a.id limit $2`,
};

/** $1 an account's public id. */
export const oneAccount: Statement = {
  name: 'verify_one_account',
  text: `
    select a.id, a.public_id, b.last_number
    from accounts a left join balances b on b.account_id = a.id where a.public_id = $1`,
};

/** $1 the account before the first, or null. */
export const size: Statement = {
  name: 'verify_size',
  text: `select count(*) as accounts from accounts where id > coalesce($1, ${BEFORE_ALL})`,
};

export const publicIds: Statement = {
  name: 'verify_public_ids',
  text: 'select public_id from accounts where id = $1',
};

/** Rows whose account is not there; no foreign key says so. Looks at each account id once. */
export const strayAccounts: Statement = {
  name: 'verify_stray_accounts',
  answerTimeoutMs: LONGEST_CHECK_MS,
  text: ['balances', 'grants', 'holds', 'operations', 'entries', 'spend_limits']
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

export interface StateRow {
  account_id: string;
  overdraft_used: bigint;
}

/** $1 accounts. */
export const balances: Statement = {
  name: 'verify_balances',
  text: `
    select account_id, overdraft_used from balances where account_id = any($1::uuid[])`,
};

/** Grants that have something, of which the entries must sum up to it. $1 accounts. */
export const grantsLeft: Statement = {
  name: 'verify_grants_left',
  text: `
    select account_id, number, remaining from grants
    where account_id = any($1::uuid[]) and live and started`,
};

export const POSTED = 'posted is the sum of the entries';

/** The last posted_after is proved to be that sum. $1 accounts. */
export const posted: Statement = {
  name: 'verify_posted',
  text: `
    select b.account_id, format('posted is %s, the entries sum to %s', b.posted,
                                coalesce(e.posted_after, 0)) as details
    from balances b
    left join lateral (select posted_after from entries where account_id = b.account_id
                       order by number desc, line desc limit 1) e on true
    where b.account_id = any($1::uuid[]) and b.posted <> coalesce(e.posted_after, 0)
    order by b.account_id limit 1`,
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
    'last_number',
    'the balance knows the number and the instant of its last operation',
    `
    select b.account_id,
           format('the last number is %s at %s; the last operation is %s at %s', b.last_number,
                  b.last_at, coalesce(o.number::text, '(none)'), coalesce(o.at::text, '(none)'))
             as details
    from balances b
    left join lateral (select number, at from operations
                       where account_id = b.account_id order by number desc limit 1) o on true
    where b.account_id = any($1::uuid[])
      and (coalesce(o.number, 0) <> b.last_number or o.at <> b.last_at)
    order by b.account_id limit 1`,
  ),
  check(
    'grant_operation',
    'each grant was made by an operation, on its terms',
    `
    select g.account_id, format('grant %s was not made by operation %s on these terms', g.number,
                                coalesce(o.kind::text, '(none)')) as details
    from grants g
    left join operations o on o.account_id = g.account_id and o.number = g.number
    where g.account_id = any($1::uuid[])
      and (o.number is null or o.kind not in ('grant', 'adjustment') or o.amount <> g.amount
           or g.effective_at < o.at
           or g.book is distinct from case when o.kind = 'adjustment' then 'adjustment'
                                      when g.category = 'paid' then 'funding'
                                      else 'promotion' end::book)
    order by g.account_id, g.number limit 1`,
  ),
  check(
    'grant_life',
    'a grant is started and ended as its operations say',
    `
    select g.account_id,
           format('grant %s is %s and %s, its operations say otherwise', g.number,
                  case when g.started then 'started' else 'not started' end,
                  coalesce('ended by ' || g.ended_by::text, 'not ended')) as details
    from grants g
    join operations o on o.account_id = g.account_id and o.number = g.number
    left join lateral (
      select bool_or(s.kind = 'grant_start') as start, bool_or(s.kind = 'grant_void') as void,
             bool_or(s.kind = 'grant_end') as over
      from operations s where s.account_id = g.account_id and s.subject = g.number) s on true
    where g.account_id = any($1::uuid[])
      and (g.started <> (g.effective_at <= o.at or coalesce(s.start, false))
           or (g.ended_by is not distinct from 'void') <> coalesce(s.void, false)
           or (g.ended_at is null and coalesce(s.over, false))
           or (g.ended_by = 'expiry' and g.ended_at < g.expires_at))
    order by g.account_id, g.number limit 1`,
  ),
  check(
    'grant_expiry',
    "a grant's expiry is the one it was made with, or the last extension's",
    `
    select g.account_id, format('grant %s expires at %s, its operations say %s', g.number,
                                coalesce(g.expires_at::text, 'never'),
                                coalesce(said.expires_at::text, 'never')) as details
    from grants g
    cross join lateral (
      select s.expires_at from operations s
      where s.account_id = g.account_id
        and (s.number = g.number or (s.subject = g.number and s.kind = 'grant_extension'))
      order by s.number desc limit 1) said
    where g.account_id = any($1::uuid[]) and g.expires_at is distinct from said.expires_at
    order by g.account_id, g.number limit 1`,
  ),
  check(
    'open_holds',
    'each open hold is as its operation made it, and has not ended',
    `
    select h.account_id, format('hold %s of %s: its operation is %s of %s, ended by %s', h.number,
                                h.amount, coalesce(o.kind::text, '(none)'), coalesce(o.amount, 0),
                                coalesce(e.kind::text, 'nothing')) as details
    from holds h
    left join operations o on o.account_id = h.account_id and o.number = h.number
    left join operations e
      on e.account_id = h.account_id and e.subject = h.number
     and e.kind in ('capture', 'hold_void', 'hold_expiry')
    where h.account_id = any($1::uuid[])
      and (o.kind is distinct from 'hold' or o.amount <> h.amount or o.expires_at <> h.expires_at
           or e.number is not null
           or h.amount <> (select coalesce(sum(a), 0) from unnest(h.amounts) as a))
    order by h.account_id, h.number limit 1`,
  ),
  check(
    'held',
    'held is the sum of the open holds, and of what they reserve',
    `
    select b.account_id,
           format('held is %s in %s holds; the open holds are %s of %s, and %s are reserved',
                  b.held, b.open_holds, h.count, h.sum, g.sum + b.overdraft_reserved) as details
    from balances b
    cross join lateral (select count(*), coalesce(sum(amount), 0) as sum from holds
                        where account_id = b.account_id) h
    cross join lateral (select coalesce(sum(reserved), 0) as sum from grants
                        where account_id = b.account_id and live) g
    where b.account_id = any($1::uuid[])
      and (b.held <> h.sum or b.open_holds <> h.count or b.held <> g.sum + b.overdraft_reserved)
    order by b.account_id limit 1`,
  ),
  check(
    'reserved',
    'what is reserved of each grant is what the open holds reserve of it',
    `
    select account_id,
           format('%s is reserved of grant %s, the open holds reserve %s', coalesce(g.reserved, 0),
                  number, coalesce(h.sum, 0)) as details
    from (select account_id, number, reserved from grants
          where account_id = any($1::uuid[]) and live) g
    full join (select h.account_id, s.number, sum(s.amount)
               from holds h cross join unnest(h.grants, h.amounts) as s (number, amount)
               where h.account_id = any($1::uuid[]) and s.number is not null
               group by h.account_id, s.number) h
      using (account_id, number)
    where coalesce(g.reserved, 0) <> coalesce(h.sum, 0)
    order by account_id, number limit 1`,
  ),
  check(
    'next_due',
    'the balance knows when something becomes due next',
    `
    select b.account_id, format('next_due_at is %s, %s is due before', b.next_due_at, d.at)
             as details
    from balances b
    cross join lateral (
      select min(at) as at from (
        select case when g.started then g.expires_at else g.effective_at end as at from grants g
        where g.account_id = b.account_id and g.live and g.ended_at is null
        union all
        select h.expires_at from holds h where h.account_id = b.account_id) due) d
    where b.account_id = any($1::uuid[])
      and d.at is not null and (b.next_due_at is null or b.next_due_at > d.at)
    order by b.account_id limit 1`,
  ),
  check(
    'limits',
    'a spend limit has counted what was spent and held in its period',
    `
    select l.account_id,
           format('the limit of %s by %s has counted %s, the operations say %s', l.holder, l.period,
                  l.used, s.charged + s.held) as details
    from spend_limits l
    cross join lateral (
      select coalesce((
               select sum(o.amount - (
                        select coalesce(sum(v.amount), 0) from operations v
                        where v.account_id = o.account_id and v.subject = o.number
                          and v.kind = 'reversal'))
               from operations o
               left join operations h
                 on o.kind = 'capture' and h.account_id = o.account_id and h.number = o.subject
               where o.account_id = l.account_id and o.kind in ('charge', 'capture', 'overage')
                 and o.at >= l.period_start and coalesce(h.at, o.at) >= l.period_start
                 and (l.holder = l.account_id or o.api_key_id = l.holder)), 0) as charged,
             coalesce((
               select sum(h.amount)
               from holds h join operations o using (account_id, number)
               where h.account_id = l.account_id and o.at >= l.period_start
                 and (l.holder = l.account_id or o.api_key_id = l.holder)), 0) as held) s
    where l.account_id = any($1::uuid[])
      and (l.period = 'total'
           or l.period_start = date_trunc(l.period::text, statement_timestamp(), 'UTC'))
      and l.used <> s.charged + s.held
    order by l.account_id, l.holder, l.period limit 1`,
  ),
];
