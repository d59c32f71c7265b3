-- Up Migration

-- Customers' API keys. No table has a secret, only its SHA-256. Secrets have their own table,
-- because a key that is being rotated has two.
create table api_keys (
  id uuid primary key,
  account_id uuid not null references accounts,
  name text,
  scopes text[] not null,
  -- The form in which the key is shown after its creation; null: it was imported as a hash.
  masked text,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  check (char_length(name) between 1 and 255)
);
-- For GET /v1/accounts/{id}/api_keys, newest first.
create index api_keys_of_account on api_keys (account_id, created_at desc, id desc);

create table api_key_secrets (
  sha256 bytea primary key,
  api_key_id uuid not null references api_keys,
  valid_until timestamptz,
  check (octet_length(sha256) = 32)
);
-- Finds the secrets of a key.
create index api_key_secrets_of_key on api_key_secrets (api_key_id);

-- The last use of each key. Nodes write many rows at a time, and no request waits for it.
create table api_key_uses (
  api_key_id uuid primary key references api_keys,
  last_used_at timestamptz not null
) with (fillfactor = 50);

-- The operator's own keys.
create table operator_keys (
  id uuid primary key,
  name text,
  scopes text[] not null,
  masked text not null,
  sha256 bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  check (char_length(name) between 1 and 255),
  check (octet_length(sha256) = 32)
);

create table operator_key_uses (
  operator_key_id uuid primary key references operator_keys,
  last_used_at timestamptz not null
) with (fillfactor = 50);
