import type { Statement } from '../../db/connection/database.ts';
import { AFTER_ALL } from '../../ledger/accounts/sql/accounts.ts';

export interface ApiKeyRow {
  id: string;
  account_id: string;
  account_public_id: string;
  name: string | null;
  scopes: string[];
  masked: string | null;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  last_used_at: number | null;
}

const API_KEY = `
  select k.id, k.account_id, a.public_id as account_public_id, k.name, k.scopes, k.masked,
         k.created_at, k.expires_at, k.revoked_at, u.last_used_at
  from api_keys k
  join accounts a on a.id = k.account_id
  left join api_key_uses u on u.api_key_id = k.id`;

/** One customer's key. $1 its id. */
export const findApiKey: Statement = { name: 'find_api_key', text: `${API_KEY} where k.id = $1` };

/** The customer's key of a secret, in any state. $1 the secret's SHA-256 in hex. */
export const findApiKeyBySecret: Statement = {
  name: 'find_api_key_by_secret',
  text: `${API_KEY} join api_key_secrets s on s.api_key_id = k.id where s.sha256 = decode($1, 'hex')`,
};

/** An account's keys, newest first. Uses the index api_keys_of_account. $1 account, $2 cursor, $3 limit. */
export const listApiKeys: Statement = {
  name: 'list_api_keys',
  text: `
    ${API_KEY}
    where k.account_id = $1
      and (k.created_at, k.id) < (
        case when $2::uuid is null then 'infinity'
             else (select b.created_at from api_keys b where b.id = $2) end,
        coalesce($2, ${AFTER_ALL}))
    order by k.created_at desc, k.id desc
    limit $3`,
};

/**
 * Inserts a key with its first secret. No row: the secret belongs to a customer's key already.
 * $1 id, $2 account, $3 name, $4 scopes, $5 masked form, $6 expiry, $7 SHA-256 in hex.
 */
export const insertApiKey: Statement = {
  name: 'insert_api_key',
  text: `
    with secret as (
      insert into api_key_secrets (sha256, api_key_id) values (decode($7, 'hex'), $1)
      on conflict (sha256) do nothing
      returning api_key_id
    )
    insert into api_keys (id, account_id, name, scopes, masked, created_at, expires_at)
    select api_key_id, $2::uuid, $3::text, $4::text[], $5::text,
           date_trunc('milliseconds', clock_timestamp()), $6::timestamptz
    from secret
    returning id`,
};

/** Adds a secret to a key. No row: it belongs to another key already. $1 SHA-256 in hex, $2 key. */
export const insertApiKeySecret: Statement = {
  name: 'insert_api_key_secret',
  text: `
    insert into api_key_secrets (sha256, api_key_id) values (decode($1, 'hex'), $2)
    on conflict (sha256) do nothing
    returning api_key_id`,
};

/** Revokes a key; the instant of the first revocation stays. Runs under the account's lock. $1 key. */
export const revokeApiKey: Statement = {
  name: 'revoke_api_key',
  text: `
    update api_keys set revoked_at = date_trunc('milliseconds', clock_timestamp())
    where id = $1 and revoked_at is null`,
};

/** Changes a key. Runs under the account's lock. $1 key, $2 name, $3 scopes, $4 whether to set $5 as expiry. */
export const changeApiKey: Statement = {
  name: 'change_api_key',
  text: `
    update api_keys
    set name = coalesce($2, name), scopes = coalesce($3, scopes),
        expires_at = case when $4::boolean then $5::timestamptz else expires_at end
    where id = $1`,
};

export interface ApiKeyStateRow {
  /** Null: the key is valid. */
  inactive: 'revoked' | 'expired' | null;
  /** The number of its valid secrets. */
  secrets: number;
  /** The first expiry of a valid secret; null: none expires. */
  first_end: number | null;
}

/** The state of a key and of its valid secrets. $1 key. */
export const apiKeyState: Statement = {
  name: 'api_key_state',
  text: `
    select case when k.revoked_at is not null then 'revoked'
                when k.expires_at <= clock_timestamp() then 'expired' end as inactive,
           valid.secrets, valid.first_end
    from api_keys k
    cross join lateral (
      select count(*)::integer as secrets, min(s.valid_until) as first_end
      from api_key_secrets s
      where s.api_key_id = k.id
        and (s.valid_until is null or s.valid_until > clock_timestamp())
    ) valid
    where k.id = $1`,
};

/**
 * Lets a key's secrets expire after a grace; an earlier expiry stays. Runs under the account's lock.
 * $1 key, $2 seconds.
 */
export const endApiKeySecrets: Statement = {
  name: 'end_api_key_secrets',
  text: `
    with grace as materialized (
      select date_trunc('milliseconds', clock_timestamp()) + $2::integer * interval '1 second'
               as over_at
    )
    update api_key_secrets s set valid_until = grace.over_at
    from grace
    where s.api_key_id = $1 and (s.valid_until is null or s.valid_until > grace.over_at)`,
};

/** $1 key, $2 the masked form of its new secret. */
export const changeMasked: Statement = {
  name: 'change_masked',
  text: 'update api_keys set masked = $2 where id = $1',
};
