import { LARGEST_AMOUNT } from '../operations/money.ts';
import type { SpendLimitReached, SpendPeriod } from '../operations/operations.ts';
import type { AccountState, SpendLimit } from './account-state.ts';

/** Spend limits (ledger.md §6): per account and per key; by day and month in UTC, and in total. */

/** When the period that an instant lies in began. */
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

/** When the next period begins; null for `total`. */
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

/** The first limit that an amount would go beyond. */
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

/** Whether a counter would leave int64 by an amount that no limit refuses. */
export function overflowsCounter(
  state: AccountState,
  apiKeyId: string | null,
  amount: bigint,
  at: number,
): boolean {
  return limitsOf(state, apiKeyId).some((limit) => usedAt(limit, at) + amount > LARGEST_AMOUNT);
}

/** The amount that counts in the period of `at`. */
function usedAt(limit: SpendLimit, at: number): bigint {
  return limit.periodStart < periodStart(limit.period, at) ? 0n : limit.used;
}

/**
 * Counts what was spent with a key, or given back (below 0). `countedAt` is the instant whose periods
 * it belongs to: a period that is over by `at` is left alone.
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
