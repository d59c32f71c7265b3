import { SWEEPER } from '../operations/operations.ts';
import { type AccountState, earlier, type Grant, type Hold } from './account-state.ts';
import { count } from './limits.ts';
import type { Posting } from './posting.ts';

/** Time passes (ledger.md §2). */

type Due =
  | { readonly at: number; readonly order: 0 | 2; readonly grant: Grant }
  | { readonly at: number; readonly order: 1; readonly hold: Hold };

/**
 * Books what has become due by `now`, in order of instant; at one instant grant starts, then hold
 * ends, then grant ends. Each is an operation of its own at the instant at which it became due.
 */
export function advance(posting: Posting, now: number): void {
  const { state } = posting;
  if (state.nextDueAt === null || state.nextDueAt > now) return;
  for (const due of dueBy(state, now)) {
    const at = Math.max(due.at, state.lastAt);
    if ('hold' in due) expireHold(posting, due.hold, at);
    else if (due.order === 0) startGrant(posting, due.grant, at);
    else posting.endOf(due.grant, at);
    posting.settle();
  }
  state.nextDueAt = nextDue(state);
}

function dueBy(state: AccountState, now: number): Due[] {
  const due: Due[] = [];
  for (const grant of state.grants) {
    if (grant.ended !== null) continue;
    if (!grant.started && grant.effectiveAt <= now) {
      due.push({ at: grant.effectiveAt, order: 0, grant });
    }
    if (grant.expiresAt !== null && grant.expiresAt <= now) {
      due.push({ at: grant.expiresAt, order: 2, grant });
    }
  }
  for (const hold of state.holds.values()) {
    if (hold.expiresAt <= now) due.push({ at: hold.expiresAt, order: 1, hold });
  }
  return due.sort((a, b) => a.at - b.at || a.order - b.order || byNumber(a, b));
}

function byNumber(a: Due, b: Due): number {
  return numberOf(a) < numberOf(b) ? -1 : 1;
}

function numberOf(due: Due): bigint {
  return 'hold' in due ? due.hold.number : due.grant.number;
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

/** Of what comes after now, the earliest, once all that was due has been booked. */
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
