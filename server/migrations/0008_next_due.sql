-- Up Migration

-- Repairs accounts whose next_due_at is null, or later than their next event: nothing would book
-- that event. Earlier releases could forget holds in this way. The rows are locked in the lanes'
-- order.
with due as (
  select account_id, min(at) as at
  from (
    select account_id, case when started then expires_at else effective_at end as at
    from grants where live and ended_at is null
    union all
    select account_id, expires_at from holds
  ) coming
  group by account_id
),
forgotten as materialized (
  select b.account_id, due.at
  from balances b join due using (account_id)
  where due.at is not null and (b.next_due_at is null or b.next_due_at > due.at)
  order by b.account_id
  for no key update of b
)
update balances b set next_due_at = least(b.next_due_at, forgotten.at)
from forgotten where b.account_id = forgotten.account_id;
