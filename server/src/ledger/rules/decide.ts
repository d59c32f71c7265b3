import {
  type AdjustmentOperation,
  assertNever,
  type CaptureOperation,
  type GrantExtensionOperation,
  type GrantOperation,
  type GrantTerms,
  type GrantVoidOperation,
  type HoldOperation,
  type HoldVoidOperation,
  type Operation,
  type Outcome,
  type Receipt,
  type ReversalOperation,
  type SpendOperation,
} from '../operations/operations.ts';
import { type AccountState, earlier, type Grant, type Slice } from './account-state.ts';
import { advance } from './advance.ts';
import { inBurnOrder, slicesFor } from './burn.ts';
import { count } from './limits.ts';
import { type Decision, firstOf, newDecision, Posting } from './posting.ts';
import { refusalOf } from './refuse.ts';

/**
 * The rules of money (README.md) as one deterministic function: no I/O, no clock, no database types.
 *
 * Every rule is checked before the first change. The functions of refuse.ts check and change nothing;
 * the functions of this file change the state and cannot fail.
 */

/**
 * Books the events that are due by `now`, then judges the operations of one account in their order. The
 * decision has the outcome of each operation and the rows to write.
 *
 * `state` must have been read under the account's lock; afterwards it is the account's new state. No
 * request of a caller makes it throw.
 */
export function decide(
  state: AccountState,
  operations: readonly Operation[],
  now: number,
): Decision {
  const decision = newDecision();
  const posting = new Posting(state, decision);
  const at = Math.max(now, state.lastAt);
  advance(posting, at);
  for (const operation of operations) {
    decision.outcomes.push(decideOne(posting, operation, at));
    posting.settle();
  }
  return decision;
}

function decideOne(posting: Posting, operation: Operation, at: number): Outcome {
  const { state } = posting;
  const refusal = refusalOf(state, operation, at);
  if (refusal && 'replayed' in refusal) return { kind: 'replayed', receipt: refusal.replayed };
  if (refusal) return { kind: 'refused', refusal, available: state.posted - state.held };
  const receipt = post(posting, operation, at);
  return receipt ? { kind: 'recorded', receipt } : { kind: 'done' };
}

/** Carries out an operation that was not refused. Undefined: the state was already as requested. */
function post(posting: Posting, operation: Operation, at: number): Receipt | undefined {
  switch (operation.kind) {
    case 'grant':
      return postGrant(posting, operation, at);
    case 'charge':
      return postCharge(posting, operation, at);
    case 'hold':
      return postHold(posting, operation, at);
    case 'capture':
      return postCapture(posting, operation, at);
    case 'hold_void':
      return postHoldVoid(posting, operation, at);
    case 'reversal':
      return postReversal(posting, operation, at);
    case 'adjustment':
      return operation.amount > 0n
        ? postAddition(posting, operation, at)
        : postDeduction(posting, operation, at);
    case 'grant_void':
      return postGrantVoid(posting, operation, at);
    case 'grant_extension':
      return postExtension(posting, operation, at);
    case 'advance':
      return undefined;
    default:
      return assertNever(operation);
  }
}

function postGrant(posting: Posting, operation: GrantOperation, at: number): Receipt {
  const effectiveAt = Math.max(operation.terms.effectiveAt ?? at, at);
  const terms: GrantTerms = { ...operation.terms, effectiveAt };
  const book = terms.category === 'paid' ? 'funding' : 'promotion';
  const entries = makeGrant(posting, operation.amount, terms, book, at);
  return posting.record(at, operation, {
    amount: operation.amount,
    entries,
    terms,
    expiresAt: terms.expiresAt,
  });
}

/** Makes a grant, and starts it if it takes effect at once. */
function makeGrant(
  posting: Posting,
  amount: bigint,
  terms: GrantTerms,
  book: Grant['book'],
  at: number,
) {
  const grant: Grant = {
    ...terms,
    number: posting.next,
    book,
    amount,
    started: false,
    remaining: amount,
    reserved: 0n,
    ended: null,
  };
  posting.add(grant);
  const { state } = posting;
  if (terms.effectiveAt <= at) return posting.start(grant);
  state.nextDueAt = earlier(state.nextDueAt, terms.effectiveAt);
  return [];
}

function postCharge(posting: Posting, operation: SpendOperation, at: number): Receipt {
  const { amount, scope, apiKeyId, call = null } = operation;
  const entries = posting.burn(slicesFor(posting.state, amount, { scope }), 'revenue');
  count(posting.state, { apiKeyId, countedAt: at, amount }, at, posting.decision.limits);
  return posting.record(at, operation, { amount, scope, apiKeyId, call, entries });
}

function postHold(posting: Posting, operation: HoldOperation, at: number): Receipt {
  const { actor, amount, scope, apiKeyId, description, metadata, call = null } = operation;
  const expiresAt = at + operation.expiresInMs;
  const { state } = posting;
  const number = posting.next;
  posting.reserve({ number, actor, at, amount, expiresAt, scope, apiKeyId, description, metadata });
  state.nextDueAt = earlier(state.nextDueAt, expiresAt);
  count(state, { apiKeyId, countedAt: at, amount }, at, posting.decision.limits);
  return posting.record(at, operation, {
    amount,
    scope,
    apiKeyId,
    call,
    expiresAt,
    entries: [],
  });
}

/** The slices of the hold pay in their order; the cost above them is a second charge, the overage. */
function postCapture(posting: Posting, operation: CaptureOperation, at: number): Receipt {
  const { state, decision } = posting;
  const hold = found(state.holds.get(operation.hold));
  const { slices, ...terms } = hold;
  const { apiKeyId, scope } = terms;
  const paid = operation.amount < hold.amount ? operation.amount : hold.amount;
  const over = operation.amount - paid;
  posting.release(hold);
  state.endedHolds.set(hold.number, { by: 'capture', at });
  const receipt = posting.record(at, operation, {
    amount: paid,
    entries: posting.burn(firstOf(slices, paid), 'revenue'),
    scope,
    apiKeyId,
    call: operation.call ?? null,
    subject: hold.number,
    hold: terms,
    overage: over > 0n ? { number: posting.next + 1n, amount: over } : null,
  });
  count(state, { apiKeyId, countedAt: hold.at, amount: paid - hold.amount }, at, decision.limits);
  if (over > 0n) {
    const { actor, description, metadata } = operation;
    posting.record(
      at,
      { kind: 'overage', actor, description, metadata },
      {
        amount: over,
        entries: posting.burn(slicesFor(state, over, { scope }), 'revenue'),
        scope,
        apiKeyId,
        call: operation.call ?? null,
        subject: hold.number,
        hold: terms,
      },
    );
    count(state, { apiKeyId, countedAt: at, amount: over }, at, decision.limits);
  }
  posting.endReleased(hold, at);
  return receipt;
}

function postHoldVoid(posting: Posting, operation: HoldVoidOperation, at: number): Receipt {
  const { state, decision } = posting;
  const hold = found(state.holds.get(operation.hold));
  const { slices: _, ...terms } = hold;
  posting.release(hold);
  state.endedHolds.set(hold.number, { by: 'void', at });
  const receipt = posting.record(at, operation, {
    amount: hold.amount,
    entries: [],
    scope: hold.scope,
    apiKeyId: hold.apiKeyId,
    subject: hold.number,
    hold: terms,
  });
  const given = { apiKeyId: hold.apiKeyId, countedAt: hold.at, amount: -hold.amount };
  count(state, given, at, decision.limits);
  posting.endReleased(hold, at);
  return receipt;
}

/** Refills the last payer first. Credit that returns into an ended grant leaves it at once. */
function postReversal(posting: Posting, operation: ReversalOperation, at: number): Receipt {
  const { state, decision } = posting;
  const charge = found(state.charges.get(operation.charge));
  const amount = operation.amount ?? charge.amount - charge.reversed;
  const payers = charge.payers.toReversed();
  const before = firstOf(payers, charge.reversed);
  const refilled = withoutFirst(firstOf(payers, charge.reversed + amount), before);
  charge.reversed += amount;
  const { apiKeyId, scope } = charge;
  const receipt = posting.record(at, operation, {
    amount,
    entries: posting.refill(refilled, 'revenue'),
    scope,
    apiKeyId,
    subject: charge.number,
  });
  const given = { apiKeyId, countedAt: charge.countedAt, amount: -amount };
  count(state, given, at, decision.limits);
  for (const { grant } of refilled) {
    const payer = grant !== null && posting.grant(grant);
    if (payer) posting.endOf(payer, at);
  }
  return receipt;
}

/** The slices that remain after the amounts of `first`, which they begin with. */
function withoutFirst(slices: readonly Slice[], first: readonly Slice[]): Slice[] {
  return slices
    .map((slice, index) => ({ ...slice, amount: slice.amount - (first[index]?.amount ?? 0n) }))
    .filter(({ amount }) => amount > 0n);
}

/** An adjustment above zero makes a grant that pays for every scope and never expires. */
function postAddition(posting: Posting, operation: AdjustmentOperation, at: number): Receipt {
  const { amount, category } = operation;
  const terms = {
    category,
    priority: DEFAULT_PRIORITY,
    effectiveAt: at,
    expiresAt: null,
    appliesTo: null,
  };
  const entries = makeGrant(posting, amount, terms, 'adjustment', at);
  return posting.record(at, operation, { amount, entries, terms });
}

/** The priority of a grant whose request names none. */
export const DEFAULT_PRIORITY = 50;

function postDeduction(posting: Posting, operation: AdjustmentOperation, at: number): Receipt {
  const { amount } = operation;
  const slices = slicesFor(posting.state, -amount, { scope: null, anyScope: true });
  const entries = posting.burn(slices, 'adjustment');
  return posting.record(at, operation, { amount, entries });
}

function postGrantVoid(posting: Posting, operation: GrantVoidOperation, at: number): Receipt {
  const grant = found(posting.grant(operation.grant));
  const entries = posting.end(grant, 'void', at);
  const { category, priority, effectiveAt, expiresAt, appliesTo } = grant;
  return posting.record(at, operation, {
    amount: -entries.reduce((sum, { amount }) => sum + amount, 0n),
    entries,
    subject: grant.number,
    remainingAfter: grant.remaining,
    terms: { category, priority, effectiveAt, expiresAt, appliesTo },
  });
}

function postExtension(
  posting: Posting,
  { actor, grant: number, expiresAt }: GrantExtensionOperation,
  at: number,
): Receipt | undefined {
  const { state, decision } = posting;
  const grant = found(posting.grant(number));
  if (grant.expiresAt === expiresAt) return undefined;
  grant.expiresAt = expiresAt;
  decision.grants.add(grant);
  state.grants.sort(inBurnOrder);
  const subject = grant.number;
  return posting.record(
    at,
    { kind: 'grant_extension', actor },
    { amount: 0n, entries: [], subject, expiresAt },
  );
}

/** The subject of an operation; refuse.ts has checked that it exists. */
function found<T>(thing: T | undefined): T {
  if (thing === undefined) {
    throw new Error('bug: refuse.ts passed an operation whose subject does not exist');
  }
  return thing;
}
