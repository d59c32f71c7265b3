-- Up Migration

-- The actor of an operation. Persons and other parts of the system come with `alter type … add value`.
create type actor_kind as enum ('operator_key', 'api_key', 'local', 'sweeper', 'gateway');

-- Null is unknown: what was booked before, and by nodes of the release before. `actor_id` names the
-- key. It is null if that is the operation's own api_key_id, so that no call of the gateway's carries
-- it twice. The check is not valid for rows from before, which need none: nothing is read here, while
-- the table is locked.
alter table operations
  add column actor actor_kind,
  add column actor_id uuid,
  add constraint operations_actor_check check (
    case
      when actor = 'operator_key' then actor_id is not null
      when actor = 'api_key' then coalesce(actor_id, api_key_id) is not null
      when actor is null or actor in ('local', 'sweeper', 'gateway') then actor_id is null
      else true
    end) not valid;
