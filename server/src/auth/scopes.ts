/**
 * Scopes: the words that say what a key may do. An operator key carries words of `OPERATOR_SCOPES`; a
 * customer's key carries any other words: `balance:read`, `billing:read`, and the operator's products.
 */

export const OPERATOR_SCOPES = [
  /** Make and change accounts. */
  'accounts:write',
  /** Make and revoke customers' keys. */
  'keys:write',
  /** Move money: grants, charges. */
  'ledger:write',
  /** Read accounts, keys and everything about their money. */
  'ledger:read',
  /** Decide over customers' calls. */
  'authorize',
] as const;

export type OperatorScope = (typeof OPERATOR_SCOPES)[number];

/** What a customer's key may do where its creation names no scopes. */
export const DEFAULT_CUSTOMER_SCOPES: readonly string[] = ['balance:read'];

/** The form of a scope word, and its longest. */
export const SCOPE_PATTERN = '^[a-z0-9_]+(:[a-z0-9_]+)?$';
export const LONGEST_SCOPE = 64;

/** Whether a word is reserved for operator keys. */
export function isOperatorScope(word: string): word is OperatorScope {
  return (OPERATOR_SCOPES as readonly string[]).includes(word);
}
