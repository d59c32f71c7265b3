import { type AccountState, type Grant, type Slice, smaller } from './account-state.ts';

/** The credit that can pay, and the order in which it pays (README §3, §5). */

/** The grants that may pay for an operation. */
export interface Reach {
  /** Null: only grants that pay for everything. */
  readonly scope: string | null;
  /** True: grants for every scope pay, whatever their `appliesTo`. */
  readonly anyScope?: boolean;
}

/**
 * Compares in burn order: lower priority number, earlier expiry (never is last), promotional before
 * paid, lower number. Negative: `a` pays first.
 */
export function inBurnOrder(a: Grant, b: Grant): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  const aEnd = a.expiresAt ?? Number.POSITIVE_INFINITY;
  const bEnd = b.expiresAt ?? Number.POSITIVE_INFINITY;
  if (aEnd !== bEnd) return aEnd < bEnd ? -1 : 1;
  if (a.category !== b.category) return a.category === 'promotional' ? -1 : 1;
  return a.number < b.number ? -1 : 1;
}

export function insertInBurnOrder(grants: Grant[], grant: Grant): void {
  const place = grants.findIndex((other) => inBurnOrder(grant, other) < 0);
  grants.splice(place === -1 ? grants.length : place, 0, grant);
}

/** Whether a grant can be spent now; `advance` has ended grants that are past their expiry. */
export function isInEffect(grant: Grant): boolean {
  return grant.started && grant.ended === null;
}

/** The credit of the grants that can pay, without the overdraft line. */
export function creditFor(state: AccountState, reach: Reach): bigint {
  let credit = 0n;
  for (const grant of state.grants) {
    if (isWithin(grant, reach)) credit += grant.remaining - grant.reserved;
  }
  return credit;
}

/**
 * The unused part of the overdraft line. Below zero it is debt, which reduces the credit for every operation
 * (README §11). An adjustment, a late charge or a lowered limit took the line past its limit.
 */
export function overdraftLeft(state: AccountState): bigint {
  return state.overdraftLimit - state.overdraftUsed - state.overdraftReserved;
}

/** Divides `amount` among the grants, in burn order; the overdraft line pays the rest. */
export function slicesFor(state: AccountState, amount: bigint, reach: Reach): Slice[] {
  const slices: Slice[] = [];
  let unpaid = amount;
  for (const grant of state.grants) {
    if (unpaid === 0n) break;
    if (!isWithin(grant, reach)) continue;
    const slice = smaller(grant.remaining - grant.reserved, unpaid);
    if (slice === 0n) continue;
    unpaid -= slice;
    slices.push({ grant: grant.number, amount: slice });
  }
  if (unpaid > 0n) slices.push({ grant: null, amount: unpaid });
  return slices;
}

function isWithin(grant: Grant, { scope, anyScope = false }: Reach): boolean {
  if (!isInEffect(grant)) return false;
  if (anyScope || grant.appliesTo === null) return true;
  return scope !== null && grant.appliesTo.includes(scope);
}
