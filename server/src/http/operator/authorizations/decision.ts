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
import type { RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { fingerprint } from '../../input/idempotency.ts';
import { customersErrorOf, errorOf } from '../../outcomes/refusals.ts';

/**
 * Authorizations: one decision over a customer's key, its scope, its limits and the account's credit,
 * with the charge or hold in the same commit (design.md §4).
 */

/** What is asked of a customer's key, in parsed values. */
export interface AuthorizationRequest {
  /** The secret that the customer sent. */
  readonly apiKey: string;
  readonly scope: string;
  /** What it costs; null: nothing is charged or held. */
  readonly spending: {
    readonly amount: bigint;
    /** Null: it is charged at once. */
    readonly expiresInMs: number | null;
    readonly idempotencyDigest: Digest;
  } | null;
  readonly description: string | null;
  readonly metadata: string | null;
  /** The operator's backend, which asks for it. */
  readonly actor: Actor;
}

export interface Authorization {
  /** Undefined where the key is unknown. */
  readonly accountPublicId: string | undefined;
  /** Posted minus held, afterwards, or when it was refused. */
  readonly available: bigint | undefined;
  /** Of what was charged or held. */
  readonly receipt: Receipt | undefined;
  readonly replayed: boolean;
  /** What to answer the customer; undefined: it is allowed. */
  readonly refused: ApiError | undefined;
}

/** Decides. Throws ApiError for what is wrong with the operator's own request, or cannot be said now. */
export async function authorize(
  { keys, ledger, onKeyUsed }: Pick<RouteParts, 'keys' | 'ledger' | 'onKeyUsed'>,
  asked: AuthorizationRequest,
  isWanted: () => boolean,
): Promise<Authorization> {
  if (!isCustomers(asked.apiKey)) return refusedWith(undefined, 'api_key_invalid');
  const secret = sha256(asked.apiKey);
  const key = await keys.customerKey(secret);
  if (!key) return refusedWith(undefined, 'api_key_invalid');
  if (key.isValid) onKeyUsed('customer', key.apiKeyId);
  if (asked.spending === null) return judge(key, asked.scope);

  const { amount, expiresInMs, idempotencyDigest } = asked.spending;
  const { scope, description, metadata, actor } = asked;
  const values = [key.apiKeyId, scope, amount, expiresInMs, description];
  const common = {
    account: accountIdOf(key.accountPublicId) as AccountId,
    accountPublicId: key.accountPublicId,
    actor,
    idempotencyDigest,
    fingerprint: fingerprint('authorization', values, metadata),
    amount,
    scope,
    apiKeyId: key.apiKeyId,
    keySecret: secret,
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
        accountPublicId: key.accountPublicId,
        available: receipt.availableAfter,
        receipt,
        replayed: outcome.kind === 'replayed',
        refused: undefined,
      };
    }
    case 'refused':
      return { ...refusedBy(key, outcome.refusal), available: outcome.available ?? undefined };
    case 'failed':
      throw new ApiError(outcome.code satisfies FailureCode);
    case 'done':
      throw new Error('a charge or hold recorded nothing');
  }
}

/**
 * Whether a text may be a customer's key. An operator key is none, whatever it is; nor is a text with
 * a character that no header can carry, of which the hash would take the low byte.
 */
function isCustomers(apiKey: string): boolean {
  return !apiKey.startsWith(OPERATOR_PREFIX) && !/[\u0100-\uffff]/.test(apiKey);
}

/** Without a cost there is nothing to commit: the read that found the key tells all. */
function judge(key: CustomerKeyRead, scope: string): Authorization {
  if (!key.isValid) return refusedWith(key, 'api_key_invalid');
  if (key.accountStatus === 'suspended') return refusedWith(key, 'account_suspended');
  if (!key.scopes.includes(scope)) return refusedWith(key, 'missing_scopes');
  return refusedWith(key, undefined);
}

/** What of the ledger's refusals is the customer's, and what the operator's own. */
function refusedBy(key: CustomerKeyRead, refusal: Refusal): Authorization {
  switch (refusal.code) {
    case 'api_key_inactive':
    case 'api_key_not_found':
    case 'account_suspended':
    case 'missing_scopes':
    case 'insufficient_credits':
    case 'spend_limit_reached':
      return { ...refusedWith(key, undefined), refused: customersErrorOf(refusal, null) };
    default:
      throw errorOf(refusal);
  }
}

function refusedWith(
  key: CustomerKeyRead | undefined,
  code: 'api_key_invalid' | 'account_suspended' | 'missing_scopes' | undefined,
): Authorization {
  return {
    accountPublicId: key?.accountPublicId,
    available: key?.available,
    receipt: undefined,
    replayed: false,
    refused: code && new ApiError(code),
  };
}
