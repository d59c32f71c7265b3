/**
 * Scopes: the permission words of keys. An operator key has words of `OPERATOR_SCOPES`. A customer's key
 * has other words: `balance:read`, `billing:read`, and the operator's products.
 */

export const OPERATOR_SCOPES = [
  /** Make and change accounts. */
  'accounts:write',
  /** Make and revoke customers' keys. */
  'keys:write',
  /** Move money, for example by grants and charges. */
  'ledger:write',
  /** Read accounts, keys and everything about their money. */
  'ledger:read',
  /** Ask for decisions on customers' calls. */
  'authorize',
] as const;

export type OperatorScope = (typeof OPERATOR_SCOPES)[number];

/** The scopes of a customer's key whose creation names none. */
export const DEFAULT_CUSTOMER_SCOPES: readonly string[] = ['balance:read'];

/** The form of a scope word, and its greatest length. */
export const SCOPE_PATTERN = '^[a-z0-9_]+(:[a-z0-9_]+)?$';
export const LONGEST_SCOPE = 64;

/** Whether a word is reserved for operator keys. */
export function isOperatorScope(word: string): word is OperatorScope {
  return (OPERATOR_SCOPES as readonly string[]).includes(word);
}
