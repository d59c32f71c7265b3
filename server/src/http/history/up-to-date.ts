import { readNow } from '../../ledger/history/past.ts';
import type { AccountId } from '../../ledger/operations/ids.ts';
import type { RouteParts } from '../door/parts.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { expectDone } from '../outcomes/refusals.ts';

/** The errors of every route of history, because it first books in the lane what is due. */
export const HISTORY_ERRORS = [
  'overloaded',
  'account_busy',
  'clock_unreliable',
] as const satisfies readonly ErrorCode[];

/**
 * Brings an account's history up to date: books everything that is due (ledger README §2). Answers the
 * ledger's time; no later operation gets an instant before it. Every route of history calls it first,
 * for an account that exists.
 */
export async function upToDate(
  { database, ledger }: Pick<RouteParts, 'database' | 'ledger'>,
  account: AccountId,
): Promise<number> {
  // The lane locks after this read, so no later commit has an earlier instant.
  const now = await readNow(database);
  expectDone(await ledger.advance(account));
  return now;
}
