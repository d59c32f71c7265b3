import type { Statement } from '../../db/connection/database.ts';

export interface OperatorKeyRow {
  id: string;
  name: string | null;
  scopes: string[];
  masked: string;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  last_used_at: number | null;
}

const OPERATOR_KEY = `
  select k.id, k.name, k.scopes, k.masked, k.created_at, k.expires_at, k.revoked_at, u.last_used_at
  from operator_keys k left join operator_key_uses u on u.operator_key_id = k.id`;

/** One operator key. $1 its id. */
export const findOperatorKey: Statement = {
  name: 'find_operator_key',
  text: `${OPERATOR_KEY} where k.id = $1`,
};

/** Operator keys, newest first. $1 cursor, $2 limit. */
export const listOperatorKeys: Statement = {
  name: 'list_operator_keys',
  text: `
    ${OPERATOR_KEY}
    where $1::uuid is null
       or (k.created_at, k.id) < (select b.created_at, b.id from operator_keys b where b.id = $1)
    order by k.created_at desc, k.id desc
    limit $2`,
};

/** The operator key of a secret. $1 SHA-256 in hex. */
export const operatorKeyBySecret: Statement = {
  name: 'operator_key_by_secret',
  text: `select id from operator_keys where sha256 = decode($1, 'hex')`,
};

/** $1 id, $2 name, $3 scopes, $4 masked form, $5 SHA-256 in hex, $6 expiry. */
export const insertOperatorKey: Statement = {
  name: 'insert_operator_key',
  text: `
    insert into operator_keys (id, name, scopes, masked, sha256, created_at, expires_at)
    values ($1, $2, $3, $4, decode($5, 'hex'), date_trunc('milliseconds', clock_timestamp()), $6)`,
};

/** Waits for the batches that use this key, and blocks new ones until the commit. $1 key. */
export const lockOperatorKey: Statement = {
  name: 'lock_operator_key',
  text: `select pg_advisory_xact_lock(hashtextextended('operator_key:' || $1::text, 0))`,
};

/** Revokes a key; the instant of the first revocation stays. $1 key. */
export const revokeOperatorKey: Statement = {
  name: 'revoke_operator_key',
  text: `
    update operator_keys set revoked_at = date_trunc('milliseconds', clock_timestamp())
    where id = $1 and revoked_at is null`,
};
