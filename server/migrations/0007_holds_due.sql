-- Up Migration

-- The index has every hold, and yet a condition: only a statement that asks for it may use the index.
-- A hold is looked up by its number, and to the planner, which sees how few holds are open but not how
-- many have ended since the last vacuum, any index that begins with the account looked as good.
drop index holds_due;
create index holds_due on holds (account_id, expires_at) where expires_at > '-infinity';
