/**
 * The kinds of operations that the ledger books, with the prefix of their public ids. `opn` marks the
 * operations that no caller names: those that become due, and those that change a grant or a hold.
 */
export const PREFIXES = {
  charge: 'chg',
  capture: 'chg',
  overage: 'chg',
  hold: 'hld',
  grant: 'grt',
  reversal: 'rev',
  adjustment: 'adj',
  grant_start: 'opn',
  grant_extension: 'opn',
  grant_void: 'opn',
  grant_end: 'opn',
  hold_void: 'opn',
  hold_expiry: 'opn',
} as const;

export type OperationKind = keyof typeof PREFIXES;
export type OperationPrefix = (typeof PREFIXES)[OperationKind];
