import type { Database, Sql } from '../../db/connection/database.ts';
import type { AccountId } from '../operations/ids.ts';
import { type EntryRow, entryOf } from './lists.ts';
import {
  balancesBefore,
  type EntrySum,
  inSnapshot,
  type NumberRange,
  type Posted,
  rangeOf,
} from './past.ts';
import type { EntryListRow } from './sql/lists.ts';
import * as sql from './sql/statement.ts';

/** The most entries in memory at once. */
const CHUNK = 2_000;
/** The largest line of an operation: a smallint. */
const LAST_LINE = 32_767;

/** The balances of an account at the ends of a period, and the sums of the entries in between. */
export interface Statement {
  readonly opening: Posted;
  /** By kind, book and category; with the opening balance they add up to the closing one. */
  readonly sums: readonly EntrySum[];
  readonly closing: Posted;
  /** The operations of the period. */
  readonly range: NumberRange;
}

/**
 * The statement over [from, to), in milliseconds. Throws if opening and sums do not add up to closing, in
 * all or by category: such a ledger must not be shown.
 */
export async function readStatement(
  database: Database,
  account: AccountId,
  period: { readonly from: number; readonly to: number },
): Promise<Statement> {
  return inSnapshot(database, async (tx) => {
    const range = await rangeOf(tx, account, period);
    const [opening, closing] = await balancesBefore(tx, account, [range.first, range.before]);
    if (!opening || !closing) throw new Error('bug: PostgreSQL returned no balance for a number');
    const statement: Statement = {
      opening: opening.posted,
      sums: difference(opening.sums, closing.sums),
      closing: closing.posted,
      range,
    };
    requireSum(account, statement);
    return statement;
  });
}

/**
 * The entries of a statement, oldest first, in bounded memory. It needs no long snapshot, as the entries
 * in a range of numbers never change. Throws at the end if they do not lead from opening to closing.
 */
export async function* statementEntries(
  on: Sql,
  account: AccountId,
  { opening, closing, range }: Statement,
): AsyncGenerator<EntryRow[]> {
  let posted = opening.posted;
  let last = { number: range.first - 1n, line: LAST_LINE };
  for (;;) {
    const values = [account, last.number, last.line, range.before, CHUNK];
    const entries = (await on.rows<EntryListRow>(sql.nextEntries, values)).map(entryOf);
    for (const entry of entries) posted += entry.amount;
    const end = entries.at(-1);
    if (entries.length > 0) yield entries;
    if (!end || entries.length < CHUNK) break;
    last = end;
  }
  if (posted === closing.posted) return;
  throw new Error(
    `account ${account} does not add up: the entries lead to ${posted}, and the closing balance is ${closing.posted}`,
  );
}

/** The sums of the entries between two numbers. */
function difference(before: readonly EntrySum[], after: readonly EntrySum[]): EntrySum[] {
  const known = new Map(before.map((sum) => [groupOf(sum), sum]));
  return after.flatMap((sum) => {
    const { amount, entries } = known.get(groupOf(sum)) ?? { amount: 0n, entries: 0n };
    if (entries === sum.entries) return [];
    return [{ ...sum, amount: sum.amount - amount, entries: sum.entries - entries }];
  });
}

function groupOf({ kind, book, category }: EntrySum): string {
  return `${kind} ${book} ${category}`;
}

function requireSum(account: AccountId, { opening, sums, closing }: Statement): void {
  const total = sums.reduce((sum, { amount }) => sum + amount, opening.posted);
  const parts = { ...opening.byCategory };
  for (const { category, amount } of sums) parts[category] += amount;
  const { paid, promotional, overdraft } = closing.byCategory;
  const isSum =
    total === closing.posted &&
    parts.paid === paid &&
    parts.promotional === promotional &&
    parts.overdraft === overdraft;
  if (isSum) return;
  throw new Error(
    `the statement of account ${account} does not add up: opening and sums are ${total}, closing is ${closing.posted}`,
  );
}
