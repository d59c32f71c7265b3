import { assertNever, SWEEPER } from '../operations/operations.ts';
import { type AccountState, earlier, type Grant, type Hold } from './account-state.ts';
import { count } from './limits.ts';
import type { Posting } from './posting.ts';

/** Books the events that have become due (README §2). */

type Due =
  | { readonly kind: 'grant_start' | 'grant_end'; readonly at: number; readonly grant: Grant }
  | { readonly kind: 'hold_expiry'; readonly at: number; readonly hold: Hold };

/** The order at one instant. */
const ORDER = { grant_start: 0, hold_expiry: 1, grant_end: 2 };

/**
 * Books each event that has become due by `now` as an operation at its own instant, in order of instant.
 * At one instant grants start, then holds expire, then grants end.
 */
export function advance(posting: Posting, now: number): void {
  const { state } = posting;
  if (state.nextDueAt === null || state.nextDueAt > now) return;
  for (const due of dueBy(state, now)) {
    const at = Math.max(due.at, state.lastAt);
    switch (due.kind) {
      case 'grant_start':
        startGrant(posting, due.grant, at);
        break;
      case 'hold_expiry':
        expireHold(posting, due.hold, at);
        break;
      case 'grant_end':
        posting.endOf(due.grant, at);
        break;
      default:
        assertNever(due);
    }
    posting.settle();
  }
  state.nextDueAt = nextDue(state);
}

function dueBy(state: AccountState, now: number): Due[] {
  const due: Due[] = [];
  for (const grant of state.grants) {
    if (grant.ended !== null) continue;
    if (!grant.started && grant.effectiveAt <= now) {
      due.push({ kind: 'grant_start', at: grant.effectiveAt, grant });
    }
    if (grant.expiresAt !== null && grant.expiresAt <= now) {
      due.push({ kind: 'grant_end', at: grant.expiresAt, grant });
    }
  }
  for (const hold of state.holds.values()) {
    if (hold.expiresAt <= now) due.push({ kind: 'hold_expiry', at: hold.expiresAt, hold });
  }
  return due.sort((a, b) => a.at - b.at || ORDER[a.kind] - ORDER[b.kind] || byNumber(a, b));
}

function byNumber(a: Due, b: Due): number {
  return numberOf(a) < numberOf(b) ? -1 : 1;
}

function numberOf(due: Due): bigint {
  return due.kind === 'hold_expiry' ? due.hold.number : due.grant.number;
}

function startGrant(posting: Posting, grant: Grant, at: number): void {
  const entries = posting.start(grant);
  posting.record(
    at,
    { kind: 'grant_start', actor: SWEEPER },
    { amount: grant.amount, entries, subject: grant.number },
  );
}

function expireHold(posting: Posting, hold: Hold, at: number): void {
  const { state, decision } = posting;
  posting.release(hold);
  state.endedHolds.set(hold.number, { by: 'expiry', at });
  const { amount, scope, apiKeyId, number: subject } = hold;
  const expiry = { kind: 'hold_expiry', actor: SWEEPER } as const;
  posting.record(at, expiry, { amount, entries: [], scope, apiKeyId, subject });
  const given = { apiKeyId: hold.apiKeyId, countedAt: hold.at, amount: -hold.amount };
  count(state, given, at, decision.limits);
  posting.endReleased(hold, at);
}

/** The earliest event to come, once all due events have been booked. */
function nextDue(state: AccountState): number | null {
  if (state.nextHoldEnd === undefined)
    throw new Error('bug: the holds that are not due were not read');
  let next = state.nextHoldEnd;
  for (const grant of state.grants) {
    if (grant.ended !== null || grant.remaining === 0n) continue;
    next = earlier(next, grant.started ? grant.expiresAt : grant.effectiveAt);
  }
  for (const hold of state.holds.values()) next = earlier(next, hold.expiresAt);
  return next;
}
