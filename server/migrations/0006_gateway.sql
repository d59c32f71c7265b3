-- Up Migration

-- The operator's price books: each text that was put into effect, for ever. Which one is in effect is
-- the newest whose time has come.
create table price_books (
  version integer primary key,
  -- YAML, as it was loaded.
  text text not null,
  sha256 bytea not null,
  effective_at timestamptz not null,
  check (version >= 1),
  check (octet_length(sha256) = 32)
);

-- Of a charge, hold, capture or overage that the gateway made: the route, the price version, what was
-- counted, and until when the call may take (`{"route", "version", "quantities", "until"}`).
alter table operations
  add column call json,
  add check (call is null or kind::text in ('charge', 'hold', 'capture', 'overage')),
  add check (octet_length(call::text) <= 4096);

-- How the gateway's calls ended: the call of a charge or hold by its number, as its last attempt
-- ended. A call without a row is under way, or its ending is unknown, since the server died.
create table call_endings (
  account_id uuid not null,
  number bigint not null,
  at timestamptz not null,
  -- `delivered`, or an ending of a price book's settlement.
  ending text not null,
  -- Of the upstream's answer, where there was one.
  status smallint,
  primary key (account_id, number),
  check (char_length(ending) between 1 and 64),
  check (status between 100 and 999)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);

-- Calls with an Idempotency-Key of the customer's: one row a key. `payment` is part of the ledger's own
-- idempotency key, so that what was paid is not paid again when the call is repeated.
create table call_claims (
  account_id uuid not null,
  idempotency_digest bytea not null,
  fingerprint bytea not null,
  -- How often the call was forwarded.
  attempts integer not null default 1,
  -- Which of its payments counts.
  payment integer not null default 1,
  -- Until when the attempt may take; then it has ended, and nobody knows how.
  until timestamptz not null,
  -- How the attempt ended: the customer has the answer; has none, but has paid; has not paid. Null: it
  -- is under way.
  outcome text,
  primary key (account_id, idempotency_digest),
  check (octet_length(idempotency_digest) = 16),
  check (octet_length(fingerprint) = 16),
  check (attempts >= 1),
  check (payment >= 1),
  check (outcome in ('delivered', 'paid', 'free'))
) with (fillfactor = 70);

-- Usage by route, and what was counted.
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
