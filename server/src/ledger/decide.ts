import type { AccountId } from './ids.ts';
import { LARGEST_AMOUNT } from './money.ts';
import type {
  Category,
  ChargeOperation,
  Digest,
  Entry,
  GrantOperation,
  Operation,
  Outcome,
  Receipt,
  Refusal,
} from './operations.ts';

/**
 * The rules of money (ledger.md) as one pure function: no I/O, no clock, no database types.
 *
 * `decide` takes the state of an account as it was read under the account's lock, judges operations
 * in their order, and gives each one's outcome and what is to be written. Every rule is checked
 * before the first change: `refuse…` looks and changes nothing, `post…` changes and cannot fail.
 */

/** At most this many live grants an account; they are all read by every batch that touches it. */
export const MOST_LIVE_GRANTS = 1_000;

/** A grant that can still be spent. */
export interface Grant {
  readonly number: bigint;
  readonly category: Category;
  readonly priority: number;
  readonly expiresAt: number | null;
  readonly appliesTo: readonly string[] | null;
  remaining: bigint;
  /** The part of `remaining` that open holds have reserved. */
  readonly reserved: bigint;
}

/** What the ledger must know of a customer's key that an operation names. */
export interface KeyFacts {
  readonly account: AccountId;
  readonly scopes: readonly string[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** What the ledger must know of the operator key that asks. */
export interface OperatorKeyFacts {
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** An account as it was read under its lock. `decide` owns it and moves it forward. */
export interface AccountState {
  readonly account: AccountId;
  readonly publicId: string;
  readonly status: 'active' | 'suspended';
  readonly overdraftLimit: bigint;
  overdraftUsed: bigint;
  posted: bigint;
  readonly held: bigint;
  /** The number of the account's latest operation; 0 if it has none. */
  lastNumber: bigint;
  /** The instant of the latest operation; time never goes back behind it. */
  lastAt: number;
  /** The live grants in burn order (`inBurnOrder`). */
  readonly grants: Grant[];
  /** Receipts under the idempotency keys that the operations carry. */
  readonly known: Map<Digest, Receipt>;
  readonly keys: ReadonlyMap<string, KeyFacts>;
  readonly operatorKeys: ReadonlyMap<string, OperatorKeyFacts>;
}

export interface Decision {
  /** One an operation, in their order. */
  readonly outcomes: Outcome[];
  /** What is to be appended, in order of number; the state that was passed in is the state after. */
  readonly recorded: Receipt[];
  /** Grants that were made or moved, each once. */
  readonly touched: Set<Grant>;
}

/**
 * Judges `operations` of one account in their order at the instant `now`.
 * Never throws for anything that a caller can ask; `state` must have been read under the account's
 * lock, and is the account's state afterwards.
 */
export function decide(
  state: AccountState,
  operations: readonly Operation[],
  now: number,
): Decision {
  const decision: Decision = { outcomes: [], recorded: [], touched: new Set() };
  const at = Math.max(now, state.lastAt);
  for (const operation of operations) {
    decision.outcomes.push(decideOne(state, operation, at, decision));
  }
  return decision;
}

/** The order of judgement of ledger.md §7: caller, replay, account, key, scope, credit. */
function decideOne(
  state: AccountState,
  operation: Operation,
  at: number,
  decision: Decision,
): Outcome {
  const refused = refuseCaller(state, operation, at);
  if (refused) return { kind: 'refused', refusal: refused };
  if (operation.accountPublicId !== state.publicId) {
    return { kind: 'refused', refusal: { code: 'account_not_found' } };
  }

  const known = state.known.get(operation.idempotencyDigest);
  if (known) {
    return known.fingerprint === operation.fingerprint
      ? { kind: 'replayed', receipt: known }
      : { kind: 'refused', refusal: { code: 'idempotency_key_reused' } };
  }

  switch (operation.kind) {
    case 'grant': {
      const refusal = refuseGrant(state, operation);
      if (refusal) return { kind: 'refused', refusal };
      return postGrant(state, operation, at, decision);
    }
    case 'charge': {
      const refusal = refuseCharge(state, operation, at);
      if (refusal) return { kind: 'refused', refusal };
      return postCharge(state, operation, at, decision);
    }
  }
}

function refuseCaller(state: AccountState, operation: Operation, at: number): Refusal | undefined {
  if (operation.operatorKeyId === null) return undefined;
  const key = state.operatorKeys.get(operation.operatorKeyId);
  if (!key || key.revokedAt !== null || isPast(key.expiresAt, at)) {
    return { code: 'operator_key_invalid' };
  }
  return undefined;
}

function refuseGrant(state: AccountState, operation: GrantOperation): Refusal | undefined {
  if (operation.amount > LARGEST_AMOUNT - state.posted) return { code: 'amount_too_large' };
  if (operation.amount > LARGEST_AMOUNT) return { code: 'amount_too_large' };
  const live = state.grants.filter((grant) => grant.remaining > 0n).length;
  if (live >= MOST_LIVE_GRANTS) return { code: 'too_many_grants' };
  return undefined;
}

function refuseCharge(
  state: AccountState,
  operation: ChargeOperation,
  at: number,
): Refusal | undefined {
  if (state.status === 'suspended') return { code: 'account_suspended' };
  if (operation.amount > LARGEST_AMOUNT) return { code: 'amount_too_large' };
  if (operation.apiKeyId !== null) {
    const key = state.keys.get(operation.apiKeyId);
    if (key?.account !== state.account) return { code: 'api_key_not_found' };
    if (key.revokedAt !== null) return { code: 'api_key_inactive', reason: 'revoked' };
    if (isPast(key.expiresAt, at)) return { code: 'api_key_inactive', reason: 'expired' };
    if (operation.scope !== null && !key.scopes.includes(operation.scope)) {
      return { code: 'missing_scopes' };
    }
  }
  const available = availableFor(state, operation.scope);
  if (available < operation.amount) {
    return { code: 'insufficient_credits', available, required: operation.amount };
  }
  return undefined;
}

/** A grant starts: it repays the overdraft first, and what is left of it can be spent. */
function postGrant(
  state: AccountState,
  operation: GrantOperation,
  at: number,
  decision: Decision,
): Outcome {
  const { category, priority, expiresAt, appliesTo } = operation.terms;
  const number = state.lastNumber + 1n;
  const repaid = smaller(state.overdraftUsed, operation.amount);
  const entries: Entry[] = [];
  const book = category === 'paid' ? 'funding' : 'promotion';
  const remaining = operation.amount - repaid;
  if (remaining > 0n) {
    state.posted += remaining;
    entries.push({ amount: remaining, grant: number, category, book, postedAfter: state.posted });
  }
  if (repaid > 0n) {
    state.overdraftUsed -= repaid;
    state.posted += repaid;
    entries.push({
      amount: repaid,
      grant: null,
      category: 'overdraft',
      book,
      postedAfter: state.posted,
    });
  }
  const grant: Grant = {
    number,
    category,
    priority,
    expiresAt,
    appliesTo,
    remaining,
    reserved: 0n,
  };
  insertInBurnOrder(state.grants, grant);
  decision.touched.add(grant);
  return record(state, operation, at, entries, decision);
}

/** Burns grants in their order, the overdraft line last. */
function postCharge(
  state: AccountState,
  operation: ChargeOperation,
  at: number,
  decision: Decision,
): Outcome {
  const entries: Entry[] = [];
  let unpaid = operation.amount;
  for (const grant of state.grants) {
    if (unpaid === 0n) break;
    if (!appliesTo(grant, operation.scope)) continue;
    const slice = smaller(grant.remaining - grant.reserved, unpaid);
    if (slice === 0n) continue;
    unpaid -= slice;
    grant.remaining -= slice;
    state.posted -= slice;
    decision.touched.add(grant);
    entries.push({
      amount: -slice,
      grant: grant.number,
      category: grant.category,
      book: 'revenue',
      postedAfter: state.posted,
    });
  }
  if (unpaid > 0n) {
    state.overdraftUsed += unpaid;
    state.posted -= unpaid;
    entries.push({
      amount: -unpaid,
      grant: null,
      category: 'overdraft',
      book: 'revenue',
      postedAfter: state.posted,
    });
  }
  return record(state, operation, at, entries, decision);
}

function record(
  state: AccountState,
  operation: Operation,
  at: number,
  entries: Entry[],
  decision: Decision,
): Outcome {
  state.lastNumber += 1n;
  state.lastAt = at;
  const charge = operation.kind === 'charge' ? operation : undefined;
  const receipt: Receipt = {
    kind: operation.kind,
    account: state.account,
    accountPublicId: state.publicId,
    number: state.lastNumber,
    at,
    amount: operation.amount,
    availableAfter: state.posted - state.held,
    scope: charge?.scope ?? null,
    apiKeyId: charge?.apiKeyId ?? null,
    description: operation.description,
    metadata: operation.metadata,
    idempotencyDigest: operation.idempotencyDigest,
    fingerprint: operation.fingerprint,
    entries,
    terms: operation.kind === 'grant' ? operation.terms : null,
  };
  state.known.set(operation.idempotencyDigest, receipt);
  decision.recorded.push(receipt);
  return { kind: 'recorded', receipt };
}

/** What can pay for an operation of that scope: unreserved credit that applies, and unused overdraft. */
function availableFor(state: AccountState, scope: string | null): bigint {
  const unusedOverdraft = state.overdraftLimit - state.overdraftUsed;
  let available = unusedOverdraft > 0n ? unusedOverdraft : 0n;
  for (const grant of state.grants) {
    if (appliesTo(grant, scope)) available += grant.remaining - grant.reserved;
  }
  return available;
}

function appliesTo(grant: Grant, scope: string | null): boolean {
  if (grant.appliesTo === null) return true;
  return scope !== null && grant.appliesTo.includes(scope);
}

/**
 * Burn order (ledger.md §3): lower priority number, earlier expiry (never is last), promotional before
 * paid, lower number. Negative where `a` pays first.
 */
export function inBurnOrder(a: Grant, b: Grant): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  const aEnd = a.expiresAt ?? Number.POSITIVE_INFINITY;
  const bEnd = b.expiresAt ?? Number.POSITIVE_INFINITY;
  if (aEnd !== bEnd) return aEnd < bEnd ? -1 : 1;
  if (a.category !== b.category) return a.category === 'promotional' ? -1 : 1;
  return a.number < b.number ? -1 : 1;
}

function insertInBurnOrder(grants: Grant[], grant: Grant): void {
  const place = grants.findIndex((other) => inBurnOrder(grant, other) < 0);
  grants.splice(place === -1 ? grants.length : place, 0, grant);
}

function isPast(instant: number | null, at: number): boolean {
  return instant !== null && instant <= at;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
