-- Up Migration

-- Sums of the history, so that a query about a long one need not read every operation. Three tables
-- follow the operations and must agree with them. `number` is the account's last counted operation;
-- the node that counts further locks its row. Queries read later operations from `operations`.
create table rollups (
  account_id uuid primary key,
  number bigint not null default 0,
  check (number >= 0)
) with (fillfactor = 50);

-- The charges and reversals of each day (UTC), by key and scope. A reversal counts on the day on
-- which it was made, for the key and scope of its charge. The sums of a day may exceed int64,
-- because returned credit can be charged again.
create table usage_days (
  account_id uuid not null,
  day date not null,
  api_key_id uuid,
  scope text,
  charges bigint not null,
  charged numeric not null,
  reversed numeric not null,
  unique nulls not distinct (account_id, day, api_key_id, scope),
  check (charges >= 0 and charged >= 0 and reversed >= 0)
) with (fillfactor = 70);

-- The count and the sum of entries by kind, book and category, append-only. A row covers the
-- operations up to `number` that the account's row before it does not cover.
create table entry_sums (
  account_id uuid not null,
  number bigint not null,
  kind operation_kind not null,
  book book not null,
  category entry_category not null,
  amount numeric not null,
  entries bigint not null,
  primary key (account_id, number, kind, book, category),
  check (entries >= 1)
);
