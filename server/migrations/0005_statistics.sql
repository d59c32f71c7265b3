-- Up Migration

-- The planner is told that there are few accounts, and so many rows of each. Where statistics say that
-- an account has one row, any index that begins with the account seems as good as the right one, and a
-- look-up by number or by idempotency key walks through the account once that has grown. Grants and
-- entries need none of it: all of their indexes have the number.
alter table operations alter column account_id set (n_distinct = 100);
alter table holds alter column account_id set (n_distinct = 100);
