import { LARGEST_AMOUNT } from '../operations/money.ts';
import type { SpendLimitReached, SpendPeriod } from '../operations/operations.ts';
import type { AccountState, SpendLimit } from './account-state.ts';

/** Spend limits (README §6): of an account or a key, by day or month in UTC, or in total. */

/** The start of the period that contains an instant. */
export function periodStart(period: SpendPeriod, at: number): number {
  const date = new Date(at);
  switch (period) {
    case 'day':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate());
    case 'month':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
    case 'total':
      return 0;
  }
}

/** The start of the next period; null for `total`. */
export function periodEnd(period: SpendPeriod, at: number): number | null {
  const date = new Date(at);
  switch (period) {
    case 'day':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1);
    case 'month':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
    case 'total':
      return null;
  }
}

/** The first limit that an amount would exceed. */
export function limitReached(
  state: AccountState,
  apiKeyId: string | null,
  amount: bigint,
  at: number,
): SpendLimitReached | undefined {
  if (amount === 0n) return undefined;
  for (const limit of limitsOf(state, apiKeyId)) {
    const used = usedAt(limit, at);
    if (used + amount <= limit.amount) continue;
    return {
      code: 'spend_limit_reached',
      of: limit.holder === state.account ? 'account' : 'api_key',
      period: limit.period,
      limit: limit.amount,
      used,
      resetAt: periodEnd(limit.period, at),
    };
  }
  return undefined;
}

/** Whether an amount that no limit refuses would take a counter beyond int64. */
export function overflowsCounter(
  state: AccountState,
  apiKeyId: string | null,
  amount: bigint,
  at: number,
): boolean {
  return limitsOf(state, apiKeyId).some((limit) => usedAt(limit, at) + amount > LARGEST_AMOUNT);
}

/** The amount used in the period that contains `at`. */
function usedAt(limit: SpendLimit, at: number): bigint {
  return limit.periodStart < periodStart(limit.period, at) ? 0n : limit.used;
}

/**
 * Adds an amount that was spent with a key, or given back (below 0), to the counters of its limits.
 * `countedAt` says to which periods it belongs: a period that has ended by `at` is not corrected.
 */
export function count(
  state: AccountState,
  spent: { readonly apiKeyId: string | null; readonly countedAt: number; readonly amount: bigint },
  at: number,
  touched: Set<SpendLimit>,
): void {
  for (const limit of limitsOf(state, spent.apiKeyId)) {
    const start = periodStart(limit.period, at);
    if (limit.periodStart < start) {
      limit.periodStart = start;
      limit.used = 0n;
    }
    if (periodStart(limit.period, spent.countedAt) === limit.periodStart) {
      limit.used += spent.amount;
    }
    touched.add(limit);
  }
}

function limitsOf(state: AccountState, apiKeyId: string | null): readonly SpendLimit[] {
  return state.limits.filter(({ holder }) => holder === state.account || holder === apiKeyId);
}
