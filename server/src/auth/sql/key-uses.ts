import type { Statement } from '../../db/connection/database.ts';

/** Records last uses of many keys; of several nodes' writes the latest instant wins. $1 keys, $2 instants. */
export const recordApiKeyUses: Statement = {
  name: 'record_api_key_uses',
  text: `
    insert into api_key_uses as u (api_key_id, last_used_at)
    select id, used_at from unnest($1::uuid[], $2::timestamptz[]) as used (id, used_at) order by id
    on conflict (api_key_id) do update
      set last_used_at = greatest(u.last_used_at, excluded.last_used_at)`,
};
export const recordOperatorKeyUses: Statement = {
  name: 'record_operator_key_uses',
  text: `
    insert into operator_key_uses as u (operator_key_id, last_used_at)
    select id, used_at from unnest($1::uuid[], $2::timestamptz[]) as used (id, used_at) order by id
    on conflict (operator_key_id) do update
      set last_used_at = greatest(u.last_used_at, excluded.last_used_at)`,
};
