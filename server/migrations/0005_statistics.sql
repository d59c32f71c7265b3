-- Up Migration

-- Makes the planner assume few accounts with many rows each. If statistics say that an account has
-- one row, any index that begins with the account seems as good as the right one. A look-up by
-- number or by idempotency key would then scan the whole account after it has grown. Grants and
-- entries do not need this: all their indexes contain the number.
alter table operations alter column account_id set (n_distinct = 100);
alter table holds alter column account_id set (n_distinct = 100);
