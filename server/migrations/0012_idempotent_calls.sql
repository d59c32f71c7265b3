-- Up Migration

-- Customers' calls with an Idempotency-Key, one row for each key, for 24 hours. The row is inserted
-- before the call is paid, and deleted if the call turns out to be free. This table replaces
-- call_claims, which servers of the previous release still use.
create table idempotent_calls (
  account_id uuid not null,
  idempotency_digest bytea not null,
  -- Identifies the request: another request with the same key is refused.
  fingerprint bytea not null,
  -- The idempotency digest in operations of the charge or hold that pays. It identifies the
  -- attempt.
  payment_digest bytea not null,
  -- The deadline for the attempt and its settlement. After it, the operations tell if it was paid.
  until timestamptz not null,
  -- The key and the answer are deleted after this instant.
  expires_at timestamptz not null,
  -- The attempt has ended and used the key.
  is_used boolean not null default false,
  -- The number of the charge that paid; null: the call is under way, or cost nothing.
  charge bigint,
  -- The answer, if it came whole and is small enough to keep. Its headers are a JSON object.
  status smallint,
  headers json,
  body bytea,
  primary key (account_id, idempotency_digest),
  constraint idempotent_calls_idempotency_digest_check check (octet_length(idempotency_digest) = 16),
  constraint idempotent_calls_fingerprint_check check (octet_length(fingerprint) = 16),
  constraint idempotent_calls_payment_digest_check check (octet_length(payment_digest) = 16),
  constraint idempotent_calls_status_check check (status between 200 and 599),
  constraint idempotent_calls_answer_check check (
    (status is null) = (headers is null) and (status is null) = (body is null)
    and (status is null or is_used)),
  constraint idempotent_calls_charge_check check (charge is null or is_used)
) with (fillfactor = 70);

-- For `forget_calls`, which deletes expired rows.
create index idempotent_calls_by_expiry on idempotent_calls (expires_at);
