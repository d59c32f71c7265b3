import { type Actor, LOCAL } from '../ledger/operations/operations.ts';
import type { CustomerKeyRead } from './key-reads.ts';
import { OPERATOR_SCOPES } from './scopes.ts';

/** Who a request acts as once authenticated. It lives as long as the request and is never kept. */
export type Principal = CustomerPrincipal | OperatorPrincipal;

/** A customer's key, its account, and what the account had at the instant of authentication. */
export type CustomerPrincipal = CustomerKeyRead;

export interface OperatorPrincipal {
  readonly kind: 'operator';
  /** Null where the operator works on the machine itself, without a key. */
  readonly operatorKeyId: string | null;
  readonly scopes: readonly string[];
}

/** The operator at the machine's own command line: no key, every scope. */
export const LOCAL_OPERATOR: OperatorPrincipal = {
  kind: 'operator',
  operatorKeyId: null,
  scopes: OPERATOR_SCOPES,
};

/** An operator as the ledger names who does an operation. */
export function actorOf({ operatorKeyId: id }: OperatorPrincipal): Actor {
  return id === null ? LOCAL : { kind: 'operator_key', id };
}

/**
 * Tells who sends a request. Rejects with `NotAuthenticated`, or with `DatabaseUnavailable` where that
 * cannot be known now.
 */
export type Authenticate = (request: {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}) => Promise<Principal>;

/** The request carries no key, or one that is not valid now; why it is not valid is never told. */
export class NotAuthenticated extends Error {
  readonly reason: 'missing' | 'invalid';

  constructor(reason: 'missing' | 'invalid') {
    super(reason === 'missing' ? 'no API key' : 'invalid API key');
    this.name = 'NotAuthenticated';
    this.reason = reason;
  }
}
