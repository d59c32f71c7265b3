-- Up Migration

-- The condition is true for every hold. It keeps the planner from using this index in statements
-- that do not repeat it. A look-up by number could otherwise scan the account in this index. The
-- planner sees the few open holds, but not the many that have ended since the last vacuum.
drop index holds_due;
create index holds_due on holds (account_id, expires_at) where expires_at > '-infinity';
