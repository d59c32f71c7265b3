import { LARGEST_AMOUNT } from '../operations/money.ts';
import {
  type AdjustmentOperation,
  assertNever,
  type CaptureOperation,
  type ChargeOperation,
  type GrantExtensionOperation,
  type GrantOperation,
  type GrantVoidOperation,
  type InsufficientCredits,
  isRepeatable,
  type Operation,
  type Receipt,
  type Refusal,
  type ReversalOperation,
  type SpendOperation,
} from '../operations/operations.ts';
import { type AccountState, type Grant, type Hold, isPast } from './account-state.ts';
import { creditFor, overdraftLeft, type Reach } from './burn.ts';
import { limitReached, overflowsCounter } from './limits.ts';

/** The reasons to refuse an operation. The functions of this file change nothing. */

/** The most live grants of an account; every batch that touches the account reads all of them. */
export const MOST_LIVE_GRANTS = 1_000;
/** The most open holds of an account. */
export const MOST_OPEN_HOLDS = 10_000;

/** Judges in the order of README §7: caller, account, replay, then the rules of the kind. */
export function refusalOf(
  state: AccountState,
  operation: Operation,
  at: number,
): Refusal | { readonly replayed: Receipt } | undefined {
  const refused = refuseCaller(state, operation, at);
  if (refused) return refused;
  if (operation.accountPublicId !== null && operation.accountPublicId !== state.publicId) {
    return { code: 'account_not_found' };
  }
  const known = isRepeatable(operation) && state.known.get(operation.idempotencyDigest);
  if (known) {
    return known.fingerprint === operation.fingerprint
      ? { replayed: known }
      : { code: 'idempotency_key_reused' };
  }
  return refuseByItsRules(state, operation, at);
}

function refuseCaller(state: AccountState, operation: Operation, at: number): Refusal | undefined {
  if (operation.actor.kind !== 'operator_key') return undefined;
  const key = state.operatorKeys.get(operation.actor.id ?? '');
  if (!key || key.revokedAt !== null || isPast(key.expiresAt, at)) {
    return { code: 'operator_key_invalid' };
  }
  return undefined;
}

function refuseByItsRules(
  state: AccountState,
  operation: Operation,
  at: number,
): Refusal | undefined {
  switch (operation.kind) {
    case 'grant':
      return refuseGrant(state, operation, at);
    case 'charge':
      return operation.late
        ? refuseLate(state, operation, at)
        : refuseSpending(state, operation, at);
    case 'hold':
      return refuseSpending(state, operation, at);
    case 'capture':
      return refuseCapture(state, operation, at);
    case 'hold_void': {
      const hold = openHold(state, operation.hold);
      return 'code' in hold ? hold : undefined;
    }
    case 'reversal':
      return refuseReversal(state, operation);
    case 'adjustment':
      return refuseAdjustment(state, operation);
    case 'grant_void': {
      const grant = liveGrant(state, operation, at);
      return 'code' in grant ? grant : undefined;
    }
    case 'grant_extension':
      return refuseExtension(state, operation, at);
    case 'advance':
      return undefined;
    default:
      return assertNever(operation);
  }
}

function refuseGrant(
  state: AccountState,
  { amount, terms }: GrantOperation,
  at: number,
): Refusal | undefined {
  const effectiveAt = Math.max(terms.effectiveAt ?? at, at);
  if (isPast(terms.expiresAt, effectiveAt)) return { code: 'expiry_passed' };
  return refuseNewGrant(state, amount);
}

function refuseNewGrant(state: AccountState, amount: bigint): Refusal | undefined {
  if (isTooLarge(state, amount)) return { code: 'amount_too_large' };
  const live = state.grants.filter((grant) => grant.ended === null && grant.remaining > 0n).length;
  return live >= MOST_LIVE_GRANTS ? { code: 'too_many_grants' } : undefined;
}

/** Whether added credit could exceed int64, now or after later grants have started. */
function isTooLarge(state: AccountState, amount: bigint): boolean {
  let sum = state.posted + amount;
  for (const grant of state.grants) if (!grant.started) sum += grant.remaining;
  return amount > LARGEST_AMOUNT || sum > LARGEST_AMOUNT;
}

function refuseSpending(
  state: AccountState,
  operation: SpendOperation,
  at: number,
): Refusal | undefined {
  const { amount, scope, apiKeyId, keySecret } = operation;
  const byKey = refuseKey(state, operation, at);
  // With the customer's secret, an invalid key outranks a suspended account.
  if (byKey && keySecret !== null) return byKey;
  if (state.status === 'suspended') return { code: 'account_suspended' };
  if (amount > LARGEST_AMOUNT) return { code: 'amount_too_large' };
  if (byKey) return byKey;
  if (!hasScope(state, operation)) return { code: 'missing_scopes' };
  if (operation.kind === 'hold') {
    if (state.openHolds >= MOST_OPEN_HOLDS) return { code: 'too_many_holds' };
    if (state.held + amount > LARGEST_AMOUNT) return { code: 'amount_too_large' };
  }
  return limitReached(state, apiKeyId, amount, at) ?? refuseCredit(state, amount, scope);
}

/** A late charge pays for a delivered answer: it is refused only if its amount cannot be booked. */
function refuseLate(
  state: AccountState,
  { amount, scope, apiKeyId }: ChargeOperation,
  at: number,
): Refusal | undefined {
  const isTooMuch =
    overflowsLine(state, amount, { scope }) || overflowsCounter(state, apiKeyId, amount, at);
  return isTooMuch ? { code: 'amount_too_large' } : undefined;
}

/**
 * Whether an amount, or the debt that it would leave on the overdraft line, exceeds int64. All other sums
 * stay within int64 then: posted and available are never below minus that debt.
 */
function overflowsLine(state: AccountState, amount: bigint, reach: Reach): boolean {
  if (amount > LARGEST_AMOUNT) return true;
  const more = amount - creditFor(state, reach);
  return more > 0n && state.overdraftUsed + state.overdraftReserved + more > LARGEST_AMOUNT;
}

function refuseKey(
  state: AccountState,
  { apiKeyId, keySecret }: SpendOperation,
  at: number,
): Refusal | undefined {
  if (apiKeyId === null) return undefined;
  const key = state.keys.get(apiKeyId);
  if (key?.account !== state.account) return { code: 'api_key_not_found' };
  if (key.revokedAt !== null) return { code: 'api_key_inactive', reason: 'revoked' };
  if (isPast(key.expiresAt, at)) return { code: 'api_key_inactive', reason: 'expired' };
  if (keySecret !== null) {
    const secret = state.secrets.get(keySecret);
    if (secret?.apiKeyId !== apiKeyId || isPast(secret.validUntil, at)) {
      return { code: 'api_key_inactive', reason: 'expired' };
    }
  }
  return undefined;
}

/** Whether the key has the scope; true if the operation names no key or no scope. */
function hasScope({ keys }: AccountState, { apiKeyId, scope }: SpendOperation): boolean {
  if (apiKeyId === null || scope === null) return true;
  return keys.get(apiKeyId)?.scopes.includes(scope) === true;
}

/** Never refuses an operation of amount 0, even in debt. */
function refuseCredit(
  state: AccountState,
  required: bigint,
  scope: string | null,
): InsufficientCredits | undefined {
  const credit = creditFor(state, { scope });
  const left = credit + overdraftLeft(state);
  if (required === 0n || left >= required) return undefined;
  return insufficient(left, required, creditFor(state, { scope, anyScope: true }) - credit);
}

/** Refuses an amount above `left`, which is below zero in debt. */
function insufficient(left: bigint, required: bigint, elsewhere: bigint): InsufficientCredits {
  const [available, debt] = left < 0n ? [0n, -left] : [left, 0n];
  return { code: 'insufficient_credits', available, required, elsewhere, debt };
}

/** The reservation of the hold counts as available, beside the credit for its overage. */
function refuseCapture(
  state: AccountState,
  { hold: number, amount }: CaptureOperation,
  at: number,
): Refusal | undefined {
  const hold = openHold(state, number);
  if ('code' in hold) return hold;
  const over = amount - hold.amount;
  if (over <= 0n) return undefined;
  if (amount > LARGEST_AMOUNT || overflowsCounter(state, hold.apiKeyId, over, at)) {
    return { code: 'amount_too_large' };
  }
  const refused = refuseCredit(state, over, hold.scope);
  return refused && { ...refused, available: refused.available + hold.amount, required: amount };
}

function openHold(state: AccountState, number: bigint): Hold | Refusal {
  const hold = state.holds.get(number);
  if (hold) return hold;
  const ended = state.endedHolds.get(number);
  return ended ? { code: 'hold_ended', ...ended } : { code: 'hold_not_found' };
}

function refuseReversal(
  state: AccountState,
  { charge: number, amount }: ReversalOperation,
): Refusal | undefined {
  const charge = state.charges.get(number);
  if (!charge) return { code: 'charge_not_found' };
  const left = charge.amount - charge.reversed;
  if (left === 0n || (amount !== null && amount > left)) {
    return { code: 'reversal_exceeds_charge', left };
  }
  return isTooLarge(state, amount ?? left) ? { code: 'amount_too_large' } : undefined;
}

/** A deduction may burn all credit that no hold reserves, and must leave 0 or more available. */
function refuseAdjustment(
  state: AccountState,
  { amount, allowNegative }: AdjustmentOperation,
): Refusal | undefined {
  if (amount > 0n) return refuseNewGrant(state, amount);
  const required = -amount;
  if (overflowsLine(state, required, { scope: null, anyScope: true })) {
    return { code: 'amount_too_large' };
  }
  const left = state.posted - state.held;
  return allowNegative || left >= required ? undefined : insufficient(left, required, 0n);
}

function liveGrant(
  state: AccountState,
  { grant: number }: GrantVoidOperation | GrantExtensionOperation,
  at: number,
): Grant | Refusal {
  const grant = state.grants.find((known) => known.number === number);
  if (!grant) return { code: 'grant_not_found' };
  if (grant.ended) return { code: 'grant_ended', ...grant.ended };
  // The end of a used-up grant is not booked.
  if (grant.expiresAt !== null && isPast(grant.expiresAt, at)) {
    return { code: 'grant_ended', by: 'expiry', at: grant.expiresAt };
  }
  return grant;
}

/** An extension must be later than the present expiry, or null. */
function refuseExtension(
  state: AccountState,
  operation: GrantExtensionOperation,
  at: number,
): Refusal | undefined {
  const grant = liveGrant(state, operation, at);
  if ('code' in grant) return grant;
  const { expiresAt } = grant;
  if (operation.expiresAt === expiresAt || operation.expiresAt === null) return undefined;
  if (expiresAt !== null && operation.expiresAt > expiresAt) return undefined;
  return { code: 'expiry_not_later', expiresAt };
}
