-- Up Migration

-- Amounts are microcents. Instants are whole milliseconds. An account's id is the first 16 bytes of
-- its public id. (account, number) identifies an operation.

create type account_kind as enum ('organization', 'individual');
create type account_status as enum ('active', 'suspended');
create type grant_category as enum ('paid', 'promotional');
create type entry_category as enum ('paid', 'promotional', 'overdraft');
create type operation_kind as enum ('grant', 'charge');
create type book as enum ('funding', 'promotion', 'revenue', 'breakage', 'adjustment');

create table accounts (
  id uuid primary key,
  public_id text not null unique,
  external_id text unique,
  kind account_kind not null,
  name text not null,
  status account_status not null default 'active',
  created_at timestamptz not null,
  check (public_id ~ '^[0-9a-f]{64}$' and left(public_id, 32) = replace(id::text, '-', '')),
  check (char_length(name) between 1 and 255),
  check (char_length(external_id) between 1 and 255)
);
-- For GET /v1/accounts, newest first.
create index accounts_newest on accounts (created_at desc, id desc);

-- The one hot row of an account. Every change of its money, its status or its keys locks this row
-- first. A charge changes no indexed column, so its update stays on the page (HOT).
create table balances (
  account_id uuid primary key,
  posted bigint not null default 0,
  held bigint not null default 0,
  last_number bigint not null default 0,
  overdraft_limit bigint not null default 0,
  overdraft_used bigint not null default 0,
  last_at timestamptz not null,
  next_due_at timestamptz,
  check (held >= 0),
  check (last_number >= 0),
  check (overdraft_limit >= 0),
  check (overdraft_used >= 0),
  check (posted >= -overdraft_used)
) with (
  fillfactor = 40,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

-- A grant has the number of the operation that made it. `live` is false after the grant has ended
-- or is used up. After that, only a reversal can give something back to it.
create table grants (
  account_id uuid not null,
  number bigint not null,
  category grant_category not null,
  priority smallint not null,
  amount bigint not null,
  remaining bigint not null,
  reserved bigint not null default 0,
  effective_at timestamptz not null,
  expires_at timestamptz,
  applies_to text[],
  started boolean not null,
  ended_at timestamptz,
  live boolean not null,
  primary key (account_id, number),
  check (number >= 1),
  check (priority between 0 and 100),
  check (amount > 0),
  check (0 <= reserved and reserved <= remaining and remaining <= amount),
  check (expires_at > effective_at),
  check (not live or (ended_at is null and remaining > 0)),
  check (cardinality(applies_to) >= 1)
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);
-- The lane reads the live grants of its batch's accounts. `live` changes once in a grant's life, so
-- earlier burns stay HOT.
create index grants_live on grants (account_id, number) where live;

-- The history, append-only: one row for each operation, never changed. This table and entries have
-- no foreign keys, which cost 10 µs a row: `purser verify` checks the same.
create table operations (
  account_id uuid not null,
  number bigint not null,
  kind operation_kind not null,
  at timestamptz not null,
  amount bigint not null,
  -- The account's available balance after the operation.
  available_after bigint not null,
  scope text,
  api_key_id uuid,
  description text,
  -- json, not jsonb: a replay gives the members back as they were sent.
  metadata json,
  -- The first 16 bytes of SHA-256 over the source and the key (README §7 of src/ledger).
  idempotency_digest bytea not null,
  -- The first 16 bytes of SHA-256 over the request.
  fingerprint bytea not null,
  primary key (account_id, number),
  unique (account_id, idempotency_digest),
  check (number >= 1),
  check (amount >= 0),
  check (char_length(scope) between 1 and 64),
  check (char_length(description) <= 255),
  check (octet_length(metadata::text) <= 2048),
  check (octet_length(idempotency_digest) = 16),
  check (octet_length(fingerprint) = 16)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);

-- The lines of the operations, append-only. Each moves an amount between one grant and one book; if
-- grant_number is null, between the overdraft line and the book.
create table entries (
  account_id uuid not null,
  number bigint not null,
  line smallint not null,
  amount bigint not null,
  grant_number bigint,
  category entry_category not null,
  book book not null,
  posted_after bigint not null,
  primary key (account_id, number, line),
  check (line >= 1),
  check (amount <> 0),
  check ((grant_number is null) = (category = 'overdraft'))
) with (autovacuum_vacuum_insert_scale_factor = 0.05);
