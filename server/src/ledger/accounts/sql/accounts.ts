import type { Statement } from '../../../db/connection/database.ts';

/** The lock of an account: each decision takes it, and each change of the facts that decisions rest on. */
export const lockBalance: Statement = {
  name: 'lock_balance',
  text: 'select account_id from balances where account_id = $1 for no key update',
};

/**
 * Makes an account with its balance. No row: the id, its first half or the external id is taken. $1 id,
 * $2 public id, $3 external id, $4 kind, $5 name.
 */
export const insertAccount: Statement = {
  name: 'insert_account',
  text: `
    with account as (
      insert into accounts (id, public_id, external_id, kind, name, created_at)
      values ($1, $2, $3, $4, $5, date_trunc('milliseconds', clock_timestamp()))
      on conflict do nothing
      returning id, created_at
    ), balance as (
      insert into balances (account_id, last_at) select id, created_at from account
    )
    select created_at from account`,
};

export interface AccountRow {
  id: string;
  public_id: string;
  external_id: string | null;
  kind: 'organization' | 'individual';
  name: string;
  status: 'active' | 'suspended';
  overdraft_limit: bigint;
  created_at: number;
}

const ACCOUNTS = `
  select a.id, a.public_id, a.external_id, a.kind, a.name, a.status, b.overdraft_limit, a.created_at
  from accounts a join balances b on b.account_id = a.id`;

export const findAccount: Statement = {
  name: 'find_account',
  text: `${ACCOUNTS} where a.public_id = $1`,
};

/** $1 the first half of a public id. */
export const findAccountById: Statement = {
  name: 'find_account_by_id',
  text: `${ACCOUNTS} where a.id = $1`,
};

export const findAccountByExternalId: Statement = {
  name: 'find_account_by_external_id',
  text: `${ACCOUNTS} where a.external_id = $1`,
};

/**
 * Ids before and after all others, at which a walk over ids begins. A condition such as `$1 is null or …`
 * would be no range of an index, so each page would scan all pages before it.
 */
export const BEFORE_ALL = "'00000000-0000-0000-0000-000000000000'::uuid";
export const AFTER_ALL = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid";

/** Served by the index accounts_newest. $1 the account before the page or null, $2 rows. */
export const listAccounts: Statement = {
  name: 'list_accounts',
  text: `
    ${ACCOUNTS}
    where (a.created_at, a.id) < (
      case when $1::uuid is null then 'infinity'
           else (select p.created_at from accounts p where p.id = $1) end,
      coalesce($1, ${AFTER_ALL}))
    order by a.created_at desc, a.id desc limit $2`,
};

export const changeAccount: Statement = {
  name: 'change_account',
  text: `
    update accounts set name = coalesce($2, name), status = coalesce($3, status) where id = $1`,
};

export const changeOverdraftLimit: Statement = {
  name: 'change_overdraft_limit',
  text: 'update balances set overdraft_limit = $2 where account_id = $1',
};
