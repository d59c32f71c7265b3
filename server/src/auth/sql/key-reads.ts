import type { Statement } from '../../db/connection/database.ts';

/** A row of a look-up of many keys at once, one for each key that was found. */
interface FoundRow {
  /** The place of its hash in $1, counted from 1. */
  place: number;
  id: string;
  /** Separated by commas. */
  scopes: string;
}

export interface CustomerKeyRow extends FoundRow {
  is_valid: boolean;
  public_id: string;
  status: 'active' | 'suspended';
  /** Posted minus held; null: something has become due, so it must be computed. */
  available: bigint | null;
  overdraft_limit: bigint;
}

/**
 * Customers' keys, valid or not, for the balance endpoint, authentication and authorizations.
 * $1 SHA-256 hashes.
 */
export const readCustomerKeys: Statement = {
  name: 'read_customer_keys',
  text: `
    select asked.place::int,
           (s.valid_until is null or s.valid_until > statement_timestamp())
             and (k.expires_at is null or k.expires_at > statement_timestamp())
             and k.revoked_at is null as is_valid,
           k.id, a.public_id, a.status, array_to_string(k.scopes, ',') as scopes,
           case when b.next_due_at <= statement_timestamp() then null
                else b.posted - b.held end as available,
           b.overdraft_limit
    from unnest($1::bytea[]) with ordinality as asked (sha256, place)
    join api_key_secrets s on s.sha256 = asked.sha256
    join api_keys k on k.id = s.api_key_id
    join accounts a on a.id = k.account_id
    join balances b on b.account_id = k.account_id`,
};

export type OperatorKeyRow = FoundRow;

/** Valid operator keys, for their authentication. $1 SHA-256 hashes. */
export const readOperatorKeysBySecret: Statement = {
  name: 'read_operator_keys_by_secret',
  text: `
    select asked.place::int, k.id, array_to_string(k.scopes, ',') as scopes
    from unnest($1::bytea[]) with ordinality as asked (sha256, place)
    join operator_keys k on k.sha256 = asked.sha256
    where (k.expires_at is null or k.expires_at > statement_timestamp())
      and k.revoked_at is null`,
};
