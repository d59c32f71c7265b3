import type { FastifyRequest } from 'fastify';
import type { BalanceRead } from '../../auth/key-reads.ts';
import { actorOf, type CustomerPrincipal, type OperatorPrincipal } from '../../auth/principal.ts';
import type { Actor } from '../../ledger/operations/operations.ts';
import { type Door, principalOf } from './door.ts';

/** The audiences of the API: a door for each, and the caller as its routes see it. */

export const OPERATORS: Door<OperatorPrincipal> = {
  kind: 'operator',
  otherKind: 'operator_key_required',
  errors: [],
  refuse: () => undefined,
  countedBy: () => undefined,
};

export const CUSTOMERS: Door<CustomerPrincipal> = {
  kind: 'customer',
  otherKind: 'customer_key_required',
  errors: ['account_suspended'],
  refuse: ({ accountStatus }) => (accountStatus === 'suspended' ? 'account_suspended' : undefined),
  countedBy: ({ apiKeyId }) => apiKeyId,
};

/** The reader of an answer. Operators see more members than customers. */
export type Audience = 'operator' | 'customer';

/** The audience of the answer to a request. An unknown caller sees no more than a customer. */
export function audienceOf({ authenticated }: FastifyRequest): Audience {
  return authenticated?.principal.kind === 'operator' ? 'operator' : 'customer';
}

/** The actor of the operation that an operator requests. */
export function operatorActor(request: FastifyRequest): Actor {
  return actorOf(principalOf(OPERATORS, request));
}

export function customerOf(request: FastifyRequest): CustomerPrincipal {
  return principalOf(CUSTOMERS, request);
}

/** The balance of the customer's account, from the statement that authenticated the request. */
export function balanceOf({ authenticated }: FastifyRequest): BalanceRead {
  if (authenticated?.balance) return authenticated.balance;
  throw new Error('bug: the route is not behind the door for customers');
}
