import type { Statement } from '../../db/database.ts';

export interface CustomerKeyRow {
  sha256: string;
  id: string;
  public_id: string;
  status: 'active' | 'suspended';
  /** Words with blanks between them, which are cheaper to read than an array. */
  scopes: string;
  available: bigint;
}

/** The balance endpoint and every customer's authentication. $1 SHA-256 hashes. */
export const readCustomerKeys: Statement = {
  name: 'read_customer_keys',
  text: `
    select s.sha256::text as sha256, k.id, a.public_id, a.status,
           array_to_string(k.scopes, ' ') as scopes, b.posted - b.held as available
    from api_key_secrets s
    join api_keys k on k.id = s.api_key_id
    join accounts a on a.id = k.account_id
    join balances b on b.account_id = k.account_id
    where s.sha256 = any($1::bytea[])
      and (s.valid_until is null or s.valid_until > statement_timestamp())
      and (k.expires_at is null or k.expires_at > statement_timestamp())
      and k.revoked_at is null`,
};

export interface OperatorKeyRow {
  sha256: string;
  id: string;
  scopes: string;
}

/** The authentication of operator keys. $1 SHA-256 hashes. */
export const readOperatorKeysBySecret: Statement = {
  name: 'read_operator_keys_by_secret',
  text: `
    select sha256::text as sha256, id, array_to_string(scopes, ' ') as scopes
    from operator_keys
    where sha256 = any($1::bytea[])
      and (expires_at is null or expires_at > statement_timestamp())
      and revoked_at is null`,
};
