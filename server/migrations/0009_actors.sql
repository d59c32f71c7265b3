-- Up Migration

-- The actor of an operation. `alter type … add value` adds persons and other parts of the system.
create type actor_kind as enum ('operator_key', 'api_key', 'local', 'sweeper', 'gateway');

-- Null: the actor is unknown, because the operation is older, or a node of the previous release
-- booked it. `actor_id` is the id of the key. It is null if that is the operation's own api_key_id,
-- so that the gateway's calls do not store it twice. The check is `not valid`, so that this
-- migration reads no rows while it locks the table; older rows satisfy it.
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
