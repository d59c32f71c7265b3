import { readNow } from '../../ledger/history/past.ts';
import type { AccountId } from '../../ledger/operations/ids.ts';
import type { RouteParts } from '../door/parts.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { expectDone } from '../outcomes/refusals.ts';

/** The errors of every route that tells history: it books first, in the lane, everything that is due. */
export const HISTORY_ERRORS = [
  'overloaded',
  'account_busy',
  'clock_unreliable',
] as const satisfies readonly ErrorCode[];

/**
 * Brings an account's history up to date before it is told: what has become due since its last
 * operation is booked first (ledger.md §2), so that no operation can be added later whose instant lies
 * before the one that this answers. Every route that tells history calls it, after it knows that there
 * is such an account. Answers the time now, by the ledger's clock.
 */
export async function upToDate(
  { database, ledger }: Pick<RouteParts, 'database' | 'ledger'>,
  account: AccountId,
): Promise<number> {
  // The lane's lock comes after the time: what commits from then on is not before it.
  const now = await readNow(database);
  expectDone(await ledger.advance(account));
  return now;
}
