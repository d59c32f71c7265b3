-- Up Migration

-- What history is summed up from, so that a question about a long one need not read all of it. All
-- three follow the operations behind, and say the same as they do: `number` is the last operation of
-- the account that is counted, and who counts on locks its row. What comes after is read as it is.
create table rollups (
  account_id uuid primary key,
  number bigint not null default 0,
  check (number >= 0)
) with (fillfactor = 50);

-- The charges of a day (UTC) by key and scope, and the reversals that were made on it, which count for
-- the key and scope of their charge. Sums of a day may be beyond int64: credit that is given back can
-- be charged again.
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

-- The entries of the operations up to `number`, from the one after the `number` before: how many there
-- are of a kind, book and category, and their sum. Append-only.
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
