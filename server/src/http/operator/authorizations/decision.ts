import { sha256 } from '../../../auth/authentication.ts';
import { OPERATOR_PREFIX } from '../../../auth/key-format.ts';
import type { CustomerKeyRead } from '../../../auth/key-reads.ts';
import { type AccountId, accountIdOf } from '../../../ledger/operations/ids.ts';
import type {
  Actor,
  Digest,
  FailureCode,
  Receipt,
  Refusal,
} from '../../../ledger/operations/operations.ts';
import { CUSTOMERS } from '../../door/audiences.ts';
import { refusalOf } from '../../door/door.ts';
import type { RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { fingerprint } from '../../input/idempotency.ts';
import { customersErrorOf, errorOf } from '../../outcomes/refusals.ts';

/**
 * Authorizations: one decision over a customer's key, its scope, its limits and the account's credit.
 * The charge or hold is part of the same commit.
 */

/** The parsed values of a request. */
export interface AuthorizationRequest {
  /** The secret that the customer sent. */
  readonly apiKey: string;
  readonly scope: string;
  /** The charge or hold; null: the request only asks about the key. */
  readonly spending: {
    readonly amount: bigint;
    /** The lifetime of a hold; null: the amount is charged at once. */
    readonly expiresInMs: number | null;
    readonly idempotencyDigest: Digest;
  } | null;
  readonly description: string | null;
  readonly metadata: string | null;
  /** The operator's backend that asks. */
  readonly actor: Actor;
}

export interface Authorization {
  /** Undefined if the key is unknown. */
  readonly accountPublicId: string | undefined;
  /** Posted minus held, after the decision. */
  readonly available: bigint | undefined;
  /** The receipt of the charge or hold. */
  readonly receipt: Receipt | undefined;
  readonly replayed: boolean;
  /** The answer for the customer; undefined: the call is allowed. */
  readonly refused: ApiError | undefined;
}

/** Decides. Throws ApiError if the operator's own request is wrong, or if nothing can be decided now. */
export async function authorize(
  { keys, ledger, onKeyUsed }: Pick<RouteParts, 'keys' | 'ledger' | 'onKeyUsed'>,
  asked: AuthorizationRequest,
  isWanted: () => boolean,
): Promise<Authorization> {
  const key = isCustomers(asked.apiKey) ? await keys.customerKey(sha256(asked.apiKey)) : undefined;
  if (!key) return decided(undefined, new ApiError('api_key_invalid'));
  const { accountPublicId, apiKeyId, keySecret } = key.principal;
  if (key.isValid) onKeyUsed('customer', apiKeyId);
  if (asked.spending === null) return judge(key, asked.scope);

  const { amount, expiresInMs, idempotencyDigest } = asked.spending;
  const { scope, description, metadata, actor } = asked;
  const values = [apiKeyId, scope, amount, expiresInMs, description];
  const common = {
    account: accountIdOf(accountPublicId) as AccountId,
    accountPublicId,
    actor,
    idempotencyDigest,
    fingerprint: fingerprint('authorization', values, metadata),
    amount,
    scope,
    apiKeyId,
    keySecret,
    description,
    metadata,
  };
  const outcome = await ledger.submit(
    expiresInMs === null ? { kind: 'charge', ...common } : { kind: 'hold', ...common, expiresInMs },
    isWanted,
  );
  switch (outcome.kind) {
    case 'recorded':
    case 'replayed': {
      const { receipt } = outcome;
      return {
        accountPublicId,
        available: receipt.availableAfter,
        receipt,
        replayed: outcome.kind === 'replayed',
        refused: undefined,
      };
    }
    case 'refused':
      return {
        ...decided(key, customersRefusal(outcome.refusal)),
        available: outcome.available ?? undefined,
      };
    case 'failed':
      throw new ApiError(outcome.code satisfies FailureCode);
    case 'done':
      throw new Error('bug: a charge or hold recorded nothing');
  }
}

/**
 * Whether a text may be a customer's key. An operator key is never one. Nor is a text with a character
 * that no header can carry: the hash would take only its low byte.
 */
function isCustomers(apiKey: string): boolean {
  return !apiKey.startsWith(OPERATOR_PREFIX) && !/[\u0100-\uffff]/.test(apiKey);
}

/** Decides without a cost: there is nothing to commit, and the read of the key has every fact. */
function judge(key: CustomerKeyRead, scope: string): Authorization {
  if (!key.isValid) return decided(key, new ApiError('api_key_invalid'));
  return decided(key, refusalOf(CUSTOMERS, key.principal, [scope]));
}

/** The customer's error for a refusal. Throws the operator's error if the operator is at fault. */
function customersRefusal(refusal: Refusal): ApiError {
  switch (refusal.code) {
    case 'api_key_inactive':
    case 'api_key_not_found':
    case 'account_suspended':
    case 'missing_scopes':
    case 'insufficient_credits':
    case 'spend_limit_reached':
      return customersErrorOf(refusal, null);
    default:
      throw errorOf(refusal);
  }
}

/** A decision that recorded nothing. */
function decided(key: CustomerKeyRead | undefined, refused: ApiError | undefined): Authorization {
  return {
    accountPublicId: key?.principal.accountPublicId,
    available: key?.balance.available,
    receipt: undefined,
    replayed: false,
    refused,
  };
}
