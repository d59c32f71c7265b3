import type { Database, Sql } from '../../db/connection/database.ts';
import type { AccountId } from '../operations/ids.ts';
import type { OperationKind } from '../operations/kinds.ts';
import type { Book, Entry } from '../operations/operations.ts';
import * as sql from './sql/past.ts';

/**
 * What was, at an instant or over a period (ledger.md §10). An instant is turned into the number of the
 * first operation that is not before it; from there on everything is about numbers, which an index
 * finds, and which mean the same in every later snapshot.
 */

/** From an instant on and before another, in milliseconds; undefined: without that end. */
export interface Period {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** The operations of a period: from a number on, and before another. */
export interface NumberRange {
  readonly first: bigint;
  readonly before: bigint;
}

/** What was posted, and what it was made of. */
export interface Posted {
  readonly posted: bigint;
  /** Sums up to `posted`. */
  readonly byCategory: Readonly<Record<Entry['category'], bigint>>;
}

/** How many entries there are of a kind, book and category, and their sum. */
export interface EntrySum {
  readonly kind: OperationKind;
  readonly book: Book;
  readonly category: Entry['category'];
  readonly amount: bigint;
  readonly entries: bigint;
}

/** The time as the ledger takes it: an instant after it is the future. */
export async function readNow(on: Sql): Promise<number> {
  const [row] = await on.rows<{ now: number }>(sql.readNow);
  if (!row) throw new Error('PostgreSQL does not tell the time');
  return row.now;
}

/** Runs `work` in one read-only snapshot. */
export function inSnapshot<T>(database: Database, work: (tx: Sql) => Promise<T>): Promise<T> {
  return database.transaction(async (tx) => {
    await tx.rows(sql.readSnapshot);
    return work(tx);
  });
}

/**
 * For each instant, in milliseconds, the number of the first operation that is not before it, or the
 * one that the next operation will have. `Infinity` is after everything, `-Infinity` before.
 */
export async function firstNumbers(
  on: Sql,
  account: AccountId,
  instants: readonly number[],
): Promise<bigint[]> {
  const rows = await on.rows<{ number: bigint }>(sql.firstNumbers, [
    account,
    instants.map(instantText),
  ]);
  return rows.map(({ number }) => number);
}

/** The operations of a period. */
export async function rangeOf(on: Sql, account: AccountId, period: Period): Promise<NumberRange> {
  const { from = -Infinity, to = Infinity } = period;
  const [first, before] = await firstNumbers(on, account, [from, to]);
  if (first === undefined || before === undefined) throw new Error('an instant got no number');
  return { first, before };
}

/** What was posted at an instant, what happened at the instant itself included. */
export async function balanceAt(
  database: Database,
  account: AccountId,
  instant: number,
): Promise<Posted> {
  return inSnapshot(database, async (tx) => {
    // Instants are whole milliseconds.
    const { before } = await rangeOf(tx, account, { to: instant + 1 });
    const [balance] = await balancesBefore(tx, account, [before]);
    if (!balance) throw new Error('a number got no balance');
    return balance.posted;
  });
}

/**
 * For each number what was posted before that operation, and the sums of the entries that make it up.
 * Ask in a snapshot. Throws where the last entry says otherwise than the sum of all: such a ledger
 * must not be shown.
 */
export async function balancesBefore(
  tx: Sql,
  account: AccountId,
  numbers: readonly bigint[],
): Promise<{ posted: Posted; sums: EntrySum[] }[]> {
  const last = await tx.rows<{ posted: bigint }>(sql.postedBefore, [account, numbers]);
  const lines = await tx.rows<sql.EntrySumRow>(sql.entrySums, [account, numbers]);
  return last.map(({ posted }, index) => {
    const sums = lines.filter(({ place }) => place === BigInt(index + 1)).map(entrySumOf);
    const byCategory = { paid: 0n, promotional: 0n, overdraft: 0n };
    for (const { category, amount } of sums) byCategory[category] += amount;
    const sum = byCategory.paid + byCategory.promotional + byCategory.overdraft;
    if (sum !== posted) {
      throw new Error(
        `account ${account} does not add up: the entries before operation ${numbers[index]} sum up to ${sum}, and the last says ${posted}`,
      );
    }
    return { posted: { posted, byCategory }, sums };
  });
}

function entrySumOf({ kind, book, category, amount, entries }: sql.EntrySumRow): EntrySum {
  return { kind, book, category, amount: BigInt(amount), entries };
}

function instantText(instant: number): string {
  if (Number.isFinite(instant)) return new Date(instant).toISOString();
  return instant > 0 ? 'infinity' : '-infinity';
}
