import type { Statement } from '../db/database.ts';

/**
 * The ledger's SQL. The statements of the lane stand first, in the order in which a batch sends them:
 * lock, then read in later statements (a row joined in the statement that waited for the lock would be
 * the one from before the wait), then write. All of them find rows by (account_id, …).
 */

// --- The lane: lock -------------------------------------------------------------------------------

export const begin: Statement = { name: 'begin', text: 'begin' };
export const commit: Statement = { name: 'commit', text: 'commit' };
export const rollback: Statement = { name: 'rollback', text: 'rollback' };

/** Shared with other batches; the revocation of an operator key takes it alone. $1 sorted key ids. */
export const lockOperatorKeys: Statement = {
  name: 'lock_operator_keys',
  text: `
    select pg_advisory_xact_lock_shared(hashtextextended('operator_key:' || id, 0))
    from unnest($1::text[]) as id`,
};

/** One sorted order for everybody. $1 account ids. */
export const lockBalances: Statement = {
  name: 'lock_balances',
  text: `
    select account_id from balances
    where account_id = any($1::uuid[]) order by account_id for no key update`,
};

/** After a lock timeout: what can be had without waiting. */
export const lockFreeBalances: Statement = {
  name: 'lock_free_balances',
  text: `${lockBalances.text} skip locked`,
};

// --- The lane: read -------------------------------------------------------------------------------

export interface BalanceRow {
  account_id: string;
  status: 'active' | 'suspended';
  posted: bigint;
  held: bigint;
  last_number: bigint;
  overdraft_limit: bigint;
  overdraft_used: bigint;
  last_at: number;
  now: number;
}

/** The accounts of the batch and the time, read after the lock. $1 account ids. */
export const readBalances: Statement = {
  name: 'read_balances',
  text: `
    select b.account_id, a.status, b.posted, b.held, b.last_number,
           b.overdraft_limit, b.overdraft_used, b.last_at, clock_timestamp() as now
    from balances b join accounts a on a.id = b.account_id
    where b.account_id = any($1::uuid[])`,
};

export interface LiveGrantRow {
  account_id: string;
  number: bigint;
  category: 'paid' | 'promotional';
  priority: number;
  remaining: bigint;
  reserved: bigint;
  expires_at: number | null;
  applies_to: string[] | null;
}

/** Served by the index grants_live. $1 account ids. */
export const readLiveGrants: Statement = {
  name: 'read_live_grants',
  text: `
    select account_id, number, category, priority, remaining, reserved, expires_at, applies_to
    from grants where account_id = any($1::uuid[]) and live`,
};

/** The columns of a `ReceiptRow`, of operations `o` and the grant `g` that each may have made. */
const RECEIPT_COLUMNS = `
  o.account_id, o.number, o.kind, o.at, o.amount, o.available_after, o.scope, o.api_key_id,
  o.description, o.metadata::text as metadata,
  o.idempotency_digest::text as idempotency_digest, o.fingerprint::text as fingerprint,
  g.category, g.priority, g.expires_at, g.applies_to,
  array(select e.amount from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as amounts,
  array(select e.grant_number from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as grant_numbers,
  array(select e.category::text from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as categories,
  array(select e.book::text from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as books,
  array(select e.posted_after from entries e
        where e.account_id = o.account_id and e.number = o.number order by e.line) as posteds`;

export interface ReceiptRow {
  account_id: string;
  number: bigint;
  kind: 'grant' | 'charge';
  at: number;
  amount: bigint;
  available_after: bigint;
  scope: string | null;
  api_key_id: string | null;
  description: string | null;
  metadata: string | null;
  idempotency_digest: string;
  fingerprint: string;
  category: 'paid' | 'promotional' | null;
  priority: number | null;
  expires_at: number | null;
  applies_to: string[] | null;
  amounts: bigint[];
  grant_numbers: (bigint | null)[];
  categories: ('paid' | 'promotional' | 'overdraft')[];
  books: ('funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment')[];
  posteds: bigint[];
}

/** What already happened under the idempotency keys of the batch. $1 account ids, $2 digests. */
export const readKnown: Statement = {
  name: 'read_known',
  text: `
    select ${RECEIPT_COLUMNS}
    from unnest($1::uuid[], $2::bytea[]) as asked (account_id, idempotency_digest)
    join operations o using (account_id, idempotency_digest)
    left join grants g on g.account_id = o.account_id and g.number = o.number`,
};

export interface KeyFactsRow {
  id: string;
  account_id: string;
  scopes: string[];
  expires_at: number | null;
  revoked_at: number | null;
}

/** Customers' keys that operations name. $1 key ids. */
export const readKeys: Statement = {
  name: 'read_keys',
  text: `
    select id, account_id, scopes, expires_at, revoked_at
    from api_keys where id = any($1::uuid[])`,
};

export interface OperatorKeyFactsRow {
  id: string;
  expires_at: number | null;
  revoked_at: number | null;
}

/** Operator keys that ask. $1 key ids. */
export const readOperatorKeys: Statement = {
  name: 'read_operator_keys',
  text: 'select id, expires_at, revoked_at from operator_keys where id = any($1::uuid[])',
};

// --- The lane: write ------------------------------------------------------------------------------

export const appendOperations: Statement = {
  name: 'append_operations',
  text: `
    insert into operations (account_id, number, kind, at, amount, available_after, scope, api_key_id,
                            description, metadata, idempotency_digest, fingerprint)
    select * from unnest(
      $1::uuid[], $2::bigint[], $3::operation_kind[], $4::timestamptz[], $5::bigint[], $6::bigint[],
      $7::text[], $8::uuid[], $9::text[], $10::json[], $11::bytea[], $12::bytea[])`,
};

export const appendEntries: Statement = {
  name: 'append_entries',
  text: `
    insert into entries (account_id, number, line, amount, grant_number, category, book, posted_after)
    select * from unnest(
      $1::uuid[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::entry_category[],
      $7::book[], $8::bigint[])`,
};

/** $9 holds array literals: PostgreSQL's arrays of arrays cannot be ragged. */
export const insertGrants: Statement = {
  name: 'insert_grants',
  text: `
    insert into grants (account_id, number, category, priority, amount, remaining, effective_at,
                        expires_at, applies_to, started, live)
    select account_id, number, category, priority, amount, remaining, at, expires_at,
           applies_to::text[], true, remaining > 0
    from unnest(
      $1::uuid[], $2::bigint[], $3::grant_category[], $4::smallint[], $5::bigint[], $6::bigint[],
      $7::timestamptz[], $8::timestamptz[], $9::text[])
      as made (account_id, number, category, priority, amount, remaining, at, expires_at, applies_to)`,
};

export const updateGrants: Statement = {
  name: 'update_grants',
  text: `
    update grants g set remaining = moved.remaining, live = moved.remaining > 0
    from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as moved (account_id, number, remaining)
    where g.account_id = moved.account_id and g.number = moved.number`,
};

export const updateBalances: Statement = {
  name: 'update_balances',
  text: `
    update balances b
    set posted = moved.posted, last_number = moved.last_number,
        overdraft_used = moved.overdraft_used, last_at = moved.last_at
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
      as moved (account_id, posted, last_number, overdraft_used, last_at)
    where b.account_id = moved.account_id`,
};

// --- Batched reads by key -------------------------------------------------------------------------

export interface CustomerKeyRow {
  sha256: string;
  id: string;
  account_id: string;
  public_id: string;
  status: 'active' | 'suspended';
  scopes: string[];
  available: bigint;
}

/** The balance endpoint and every customer's authentication. $1 SHA-256 hashes. */
export const readCustomerKeys: Statement = {
  name: 'read_customer_keys',
  text: `
    select s.sha256::text as sha256, k.id, k.account_id, a.public_id, a.status, k.scopes,
           b.posted - b.held as available
    from api_key_secrets s
    join api_keys k on k.id = s.api_key_id
    join accounts a on a.id = k.account_id
    join balances b on b.account_id = k.account_id
    where s.sha256 = any($1::bytea[])
      and (s.valid_until is null or s.valid_until > statement_timestamp())
      and (k.expires_at is null or k.expires_at > statement_timestamp())
      and k.revoked_at is null`,
};

export interface OperatorKeyRow {
  sha256: string;
  id: string;
  scopes: string[];
}

/** The authentication of operator keys. $1 SHA-256 hashes. */
export const readOperatorKeysBySecret: Statement = {
  name: 'read_operator_keys_by_secret',
  text: `
    select sha256::text as sha256, id, scopes
    from operator_keys
    where sha256 = any($1::bytea[])
      and (expires_at is null or expires_at > statement_timestamp())
      and revoked_at is null`,
};

// --- Accounts -------------------------------------------------------------------------------------

/** The lock that every decision about an account takes, and whoever changes what decisions rest on. */
export const lockBalance: Statement = {
  name: 'lock_balance',
  text: 'select account_id from balances where account_id = $1 for no key update',
};

/** Nothing comes back where the external id is taken. */
export const insertAccount: Statement = {
  name: 'insert_account',
  text: `
    insert into accounts (id, public_id, external_id, kind, name, created_at)
    values ($1, $2, $3, $4, $5, date_trunc('milliseconds', clock_timestamp()))
    on conflict (external_id) do nothing
    returning created_at`,
};

export const insertBalance: Statement = {
  name: 'insert_balance',
  text: `
    insert into balances (account_id, last_at)
    select id, created_at from accounts where id = $1`,
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

export const findAccountByExternalId: Statement = {
  name: 'find_account_by_external_id',
  text: `${ACCOUNTS} where a.external_id = $1`,
};

/** Served by the index accounts_newest. $1 the account before the page or null, $2 rows. */
export const listAccounts: Statement = {
  name: 'list_accounts',
  text: `
    ${ACCOUNTS}
    where $1::uuid is null
       or (a.created_at, a.id) < (select p.created_at, p.id from accounts p where p.id = $1)
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

export interface BalanceDetailsRow {
  posted: bigint;
  held: bigint;
  overdraft_limit: bigint;
  overdraft_used: bigint;
  paid: bigint;
  promotional: bigint;
  next_expiry_at: number | null;
  next_expiry_amount: bigint | null;
}

/** One statement, so that the parts add up. $1 the account's public id. */
export const readBalanceDetails: Statement = {
  name: 'read_balance_details',
  text: `
    select b.posted, b.held, b.overdraft_limit, b.overdraft_used,
           coalesce(sum(g.remaining) filter (where g.category = 'paid'), 0)::bigint as paid,
           coalesce(sum(g.remaining) filter (where g.category = 'promotional'), 0)::bigint
             as promotional,
           min(g.expires_at) as next_expiry_at,
           (select sum(n.remaining)::bigint from grants n
            where n.account_id = b.account_id and n.live and n.expires_at = min(g.expires_at))
             as next_expiry_amount
    from accounts a
    join balances b on b.account_id = a.id
    left join grants g on g.account_id = a.id and g.live
    where a.public_id = $1
    group by b.account_id`,
};

// --- History --------------------------------------------------------------------------------------

/** $1 account, $2 number, $3 kind. */
export const findReceipt: Statement = {
  name: 'find_receipt',
  text: `
    select ${RECEIPT_COLUMNS}
    from operations o left join grants g on g.account_id = o.account_id and g.number = o.number
    where o.account_id = $1 and o.number = $2 and o.kind = $3`,
};

/** $1 account, $2 kind, $3 the number before the page or null, $4 rows. */
export const listReceipts: Statement = {
  name: 'list_receipts',
  text: `
    select ${RECEIPT_COLUMNS}
    from operations o left join grants g on g.account_id = o.account_id and g.number = o.number
    where o.account_id = $1 and o.kind = $2 and o.number < coalesce($3, 9223372036854775807)
    order by o.number desc limit $4`,
};

export interface GrantListRow {
  number: bigint;
  category: 'paid' | 'promotional';
  priority: number;
  amount: bigint;
  remaining: bigint;
  reserved: bigint;
  effective_at: number;
  expires_at: number | null;
  applies_to: string[] | null;
  created_at: number;
  description: string | null;
  metadata: string | null;
}

/** $1 account, $2 the number before the page or null, $3 rows. */
export const listGrants: Statement = {
  name: 'list_grants',
  text: `
    select g.number, g.category, g.priority, g.amount, g.remaining, g.reserved, g.effective_at,
           g.expires_at, g.applies_to, o.at as created_at, o.description,
           o.metadata::text as metadata
    from grants g join operations o on o.account_id = g.account_id and o.number = g.number
    where g.account_id = $1 and g.number < coalesce($2, 9223372036854775807)
    order by g.number desc limit $3`,
};

export interface EntryListRow {
  number: bigint;
  line: number;
  kind: 'grant' | 'charge';
  at: number;
  amount: bigint;
  grant_number: bigint | null;
  category: 'paid' | 'promotional' | 'overdraft';
  book: 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';
  posted_after: bigint;
}

/** $1 account, $2 and $3 number and line before the page or null, $4 rows. */
export const listEntries: Statement = {
  name: 'list_entries',
  text: `
    select e.number, e.line, o.kind, o.at, e.amount, e.grant_number, e.category, e.book,
           e.posted_after
    from entries e join operations o on o.account_id = e.account_id and o.number = e.number
    where e.account_id = $1
      and (e.number, e.line) < (coalesce($2, 9223372036854775807), coalesce($3::smallint, 0))
    order by e.number desc, e.line desc limit $4`,
};
