import type { Statement } from '../../db/connection/database.ts';

/**
 * Look-ups of many keys at once. Each answers one row with one text, in which each line is a key: its
 * place in $1, from 1, and its facts, separated by blanks. A row for each key would cost the driver more
 * than the rest of a read. No fact contains a blank or a line break; lists have commas.
 */
export interface KeyLinesRow {
  /** Null: no key was found. */
  lines: string | null;
}

/**
 * Customers' keys, valid or not, for the balance endpoint, authentication and authorizations. The facts:
 * whether the key is valid (`t` or `f`), key, account's public id, its status, the key's scopes, the
 * available amount (or `due` if it must be computed), and the overdraft limit. $1 SHA-256 hashes.
 */
export const readCustomerKeys: Statement = {
  name: 'read_customer_keys',
  text: `
    select string_agg(concat_ws(' ', asked.place,
             (s.valid_until is null or s.valid_until > statement_timestamp())
             and (k.expires_at is null or k.expires_at > statement_timestamp())
             and k.revoked_at is null,
             k.id, a.public_id, a.status, array_to_string(k.scopes, ','),
             case when b.next_due_at <= statement_timestamp() then 'due'
                  else (b.posted - b.held)::text end, b.overdraft_limit), e'\\n') as lines
    from unnest($1::bytea[]) with ordinality as asked (sha256, place)
    join api_key_secrets s on s.sha256 = asked.sha256
    join api_keys k on k.id = s.api_key_id
    join accounts a on a.id = k.account_id
    join balances b on b.account_id = k.account_id`,
};

/** Valid operator keys, for their authentication. The facts: key and scopes. $1 SHA-256 hashes. */
export const readOperatorKeysBySecret: Statement = {
  name: 'read_operator_keys_by_secret',
  text: `
    select string_agg(concat_ws(' ', asked.place, k.id, array_to_string(k.scopes, ',')), e'\\n')
             as lines
    from unnest($1::bytea[]) with ordinality as asked (sha256, place)
    join operator_keys k on k.sha256 = asked.sha256
    where (k.expires_at is null or k.expires_at > statement_timestamp())
      and k.revoked_at is null`,
};
