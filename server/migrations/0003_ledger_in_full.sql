-- Up Migration

alter type operation_kind add value 'grant_start';
alter type operation_kind add value 'grant_extension';
alter type operation_kind add value 'grant_void';
alter type operation_kind add value 'grant_end';
alter type operation_kind add value 'hold';
alter type operation_kind add value 'capture';
alter type operation_kind add value 'overage';
alter type operation_kind add value 'hold_void';
alter type operation_kind add value 'hold_expiry';
alter type operation_kind add value 'reversal';
alter type operation_kind add value 'adjustment';

create type grant_ending as enum ('expiry', 'void');
create type spend_period as enum ('day', 'month', 'total');

-- The overdraft line behaves like a grant. Its remaining amount is -overdraft_used, which a
-- reversal can lift above 0, and open holds can reserve part of it. `next_due_at` is never later
-- than the next grant start, hold end or grant end. It may be earlier, if that event no longer
-- exists.
alter table balances
  add column overdraft_reserved bigint not null default 0,
  add column open_holds integer not null default 0,
  drop constraint balances_overdraft_used_check,
  add check (0 <= overdraft_reserved and overdraft_reserved <= held),
  add check (open_holds >= 0);
-- The sweeper finds the accounts with due events. A charge does not change the column.
create index balances_due on balances (next_due_at) where next_due_at is not null;

-- `live` says that something remains of the grant. It may be in effect or start later; or it has
-- ended and a hold still reserves part of it. `book` is the source of the grant; a void returns it
-- there.
alter table grants
  add column book book,
  add column ended_by grant_ending,
  drop constraint grants_check2,
  add check (live = (remaining > 0)),
  add check ((ended_at is null) = (ended_by is null)),
  add check (ended_at is null or remaining = reserved),
  add check (started or reserved = 0);
update grants set book = case category when 'paid' then 'funding' else 'promotion' end::book;
alter table grants alter column book set not null;

-- `subject` is the number of the operation that this one is about, for example a reversal's charge
-- or an ending's hold or grant. Operations that become due have no idempotency key.
alter table operations
  alter column idempotency_digest drop not null,
  alter column fingerprint drop not null,
  add column subject bigint,
  -- The first expiry of a hold or grant; the new expiry, if the operation is an extension.
  add column expires_at timestamptz,
  -- The part of a voided grant that open holds still reserve.
  add column remaining_after bigint,
  drop constraint operations_amount_check,
  add check (amount >= 0 or kind::text = 'adjustment'),
  add check ((idempotency_digest is null) = (fingerprint is null)),
  add check ((idempotency_digest is null)
    = (kind::text in ('grant_start', 'grant_extension', 'grant_end', 'hold_expiry', 'overage'))),
  add check ((subject is null) = (kind::text in ('grant', 'charge', 'hold', 'adjustment'))),
  add check (subject < number),
  add check ((remaining_after is null) = (kind::text <> 'grant_void')),
  add check (expires_at is not null or kind::text <> 'hold');
-- Finds the ending of a hold or grant, and the reversals of a charge.
create index operations_by_subject on operations (account_id, subject) where subject is not null;

-- Open holds, each with the grants (null: the overdraft line) and the amounts that it reserves. The
-- row is deleted when the hold ends; its history is in operations.
create table holds (
  account_id uuid not null,
  number bigint not null,
  amount bigint not null,
  expires_at timestamptz not null,
  grants bigint[] not null,
  amounts bigint[] not null,
  primary key (account_id, number),
  check (number >= 1),
  check (amount >= 0),
  check (cardinality(grants) = cardinality(amounts)),
  check (0 < all (amounts) and array_position(amounts, null) is null)
) with (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);
-- Finds the due holds of an account.
create index holds_due on holds (account_id, expires_at);

-- The amount that `holder`, an account or one of its keys, may spend in a period. `used` counts
-- what was spent and held since `period_start`.
create table spend_limits (
  account_id uuid not null,
  holder uuid not null,
  period spend_period not null,
  amount bigint not null,
  used bigint not null,
  period_start timestamptz not null,
  primary key (account_id, holder, period),
  check (amount >= 0),
  check (used >= 0)
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);
