-- Up Migration

-- The operator's price books: every text that was loaded, for ever. The newest one whose
-- `effective_at` has come is in effect.
create table price_books (
  version integer primary key,
  -- YAML, as it was loaded.
  text text not null,
  sha256 bytea not null,
  effective_at timestamptz not null,
  check (version >= 1),
  check (octet_length(sha256) = 32)
);

-- The gateway's call behind a charge, hold, capture or overage: the route, the price version, the
-- quantities, and the call's deadline (`{"route", "version", "quantities", "until"}`).
alter table operations
  add column call json,
  add check (call is null or kind::text in ('charge', 'hold', 'capture', 'overage')),
  add check (octet_length(call::text) <= 4096);

-- The endings of the gateway's calls. `number` is the charge or hold of the call; the row tells how
-- its last attempt ended. A call without a row is under way, or its server died before it wrote the
-- row.
create table call_endings (
  account_id uuid not null,
  number bigint not null,
  at timestamptz not null,
  -- `delivered`, or an ending of a price book's settlement.
  ending text not null,
  -- The status of the upstream's answer; null: there was none.
  status smallint,
  primary key (account_id, number),
  check (char_length(ending) between 1 and 64),
  check (status between 100 and 999)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);

-- Calls with a customer's Idempotency-Key, one row for each key. `payment` is part of the ledger's
-- own idempotency key, so a repeated call is not paid twice.
create table call_claims (
  account_id uuid not null,
  idempotency_digest bytea not null,
  fingerprint bytea not null,
  -- The number of times that the call was forwarded.
  attempts integer not null default 1,
  -- The number of the payment that counts.
  payment integer not null default 1,
  -- The deadline of the attempt. After it the attempt has ended, in an unknown way.
  until timestamptz not null,
  -- `delivered`: the customer got the answer. `paid`: the customer paid, but got no answer. `free`:
  -- the customer did not pay. Null: the attempt is under way.
  outcome text,
  primary key (account_id, idempotency_digest),
  check (octet_length(idempotency_digest) = 16),
  check (octet_length(fingerprint) = 16),
  check (attempts >= 1),
  check (payment >= 1),
  check (outcome in ('delivered', 'paid', 'free'))
) with (fillfactor = 70);

-- Usage by route, with its quantities.
alter table usage_days
  add column route text,
  drop constraint usage_days_account_id_day_api_key_id_scope_key,
  add unique nulls not distinct (account_id, day, api_key_id, scope, route);

create table usage_quantities (
  account_id uuid not null,
  day date not null,
  api_key_id uuid,
  scope text,
  route text not null,
  quantity text not null,
  amount numeric not null,
  unique nulls not distinct (account_id, day, api_key_id, scope, route, quantity)
) with (fillfactor = 70);
