import { type Actor, LOCAL } from '../ledger/operations/operations.ts';
import { OPERATOR_SCOPES } from './scopes.ts';

/**
 * The identity under which a request acts, and its rights. It holds no money, and lives only as long as
 * the request. Another kind of caller is another member of this union.
 */
export type Principal = CustomerPrincipal | OperatorPrincipal;

export interface CustomerPrincipal {
  readonly kind: 'customer';
  readonly apiKeyId: string;
  /** The SHA-256 of the secret that the request presented, in hex. */
  readonly keySecret: string;
  readonly accountPublicId: string;
  readonly accountStatus: 'active' | 'suspended';
  readonly scopes: readonly string[];
}

export interface OperatorPrincipal {
  readonly kind: 'operator';
  /** Null for the operator at the machine itself, who needs no key. */
  readonly operatorKeyId: string | null;
  readonly scopes: readonly string[];
}

/** The operator at the machine's own command line: no key, every scope. */
export const LOCAL_OPERATOR: OperatorPrincipal = {
  kind: 'operator',
  operatorKeyId: null,
  scopes: OPERATOR_SCOPES,
};

/** The actor that the ledger records for an operation of this operator. */
export function actorOf({ operatorKeyId: id }: OperatorPrincipal): Actor {
  return id === null ? LOCAL : { kind: 'operator_key', id };
}
