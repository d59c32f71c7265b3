-- Up Migration

-- Requests with an Idempotency-Key that made an account, a key or a key's new secret, with their
-- first answer. Operations keep theirs in their own rows.
create table idempotent_requests (
  -- The first 16 bytes of SHA-256 over the namespace (one account, or all accounts) and the key.
  idempotency_digest bytea primary key,
  -- The first 16 bytes of SHA-256 over the request.
  fingerprint bytea not null,
  at timestamptz not null,
  status smallint not null,
  -- The answer's resource, without its secret. json, not jsonb: it keeps the order of the members.
  answer json not null,
  -- SHA-256 of the secret in the answer; null: it has none.
  secret_sha256 bytea,
  -- One half of the source of the secret; the caller has the other. It is deleted after a day.
  secret_salt bytea,
  constraint idempotent_requests_idempotency_digest_check
    check (octet_length(idempotency_digest) = 16),
  constraint idempotent_requests_fingerprint_check check (octet_length(fingerprint) = 16),
  constraint idempotent_requests_status_check check (status between 200 and 299),
  constraint idempotent_requests_secret_sha256_check check (octet_length(secret_sha256) = 32),
  constraint idempotent_requests_secret_salt_check check (octet_length(secret_salt) = 32),
  constraint idempotent_requests_salt_of_secret_check
    check (secret_salt is null or secret_sha256 is not null)
);
-- Finds the salts to delete.
create index idempotent_requests_salted on idempotent_requests (at) where secret_salt is not null;
