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

/** The customer's key that has a secret, whatever its state. $1 the secret's SHA-256 in hex. */
export const findApiKeyBySecret: Statement = {
  name: 'find_api_key_by_secret',
  text: `${API_KEY} join api_key_secrets s on s.api_key_id = k.id where s.sha256 = decode($1, 'hex')`,
};

/** An account's keys, newest first (index api_keys_of_account). $1 account, $2 the last seen, $3 limit. */
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
 * A key with its first secret, in one statement; no row comes back if the secret is a customer's key
 * already. $1 id, $2 account, $3 name, $4 scopes, $5 masked form, $6 expiry, $7 SHA-256 in hex.
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

/** Answers no row where the secret is another key's already. $1 SHA-256 in hex, $2 key. */
export const insertApiKeySecret: Statement = {
  name: 'insert_api_key_secret',
  text: `
    insert into api_key_secrets (sha256, api_key_id) values (decode($1, 'hex'), $2)
    on conflict (sha256) do nothing
    returning api_key_id`,
};

/** The first revocation's instant stays. Runs under the account's lock. $1 key. */
export const revokeApiKey: Statement = {
  name: 'revoke_api_key',
  text: `
    update api_keys set revoked_at = date_trunc('milliseconds', clock_timestamp())
    where id = $1 and revoked_at is null`,
};

/** Runs under the account's lock. $1 key, $2 name, $3 scopes, $4 whether $5 is the new expiry. */
export const changeApiKey: Statement = {
  name: 'change_api_key',
  text: `
    update api_keys
    set name = coalesce($2, name), scopes = coalesce($3, scopes),
        expires_at = case when $4::boolean then $5::timestamptz else expires_at end
    where id = $1`,
};

export interface ApiKeyStateRow {
  /** Null: it is valid. */
  inactive: 'revoked' | 'expired' | null;
  /** How many of its secrets are valid. */
  secrets: number;
  /** When the first of them ends; null: none has an end. */
  first_end: number | null;
}

/** Why a key is refused now, and its secrets that are not. $1 key. */
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
 * Ends a key's secrets after a grace; one that ends earlier keeps its end. Runs under the account's
 * lock. $1 key, $2 seconds.
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

/** $1 key, $2 how its new secret is shown. */
export const changeMasked: Statement = {
  name: 'change_masked',
  text: 'update api_keys set masked = $2 where id = $1',
};
