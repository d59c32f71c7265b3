import type { Database, Sql } from '../../db/connection/database.ts';
import type { AccountId } from '../operations/ids.ts';
import type { OperationKind } from '../operations/kinds.ts';
import type { Book, Entry } from '../operations/operations.ts';
import * as sql from './sql/past.ts';

/**
 * Balances at past instants and over periods (README §10). An instant becomes the number of the first
 * operation that is not before it. Later statements use numbers: an index finds them, and they mean the
 * same in every later snapshot.
 */

/** The instants from `from` on and before `to`, in milliseconds; undefined: no bound. */
export interface Period {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** The operations from number `first` on and before number `before`. */
export interface NumberRange {
  readonly first: bigint;
  readonly before: bigint;
}

/** A posted balance, with its parts. */
export interface Posted {
  readonly posted: bigint;
  /** Sums up to `posted`. */
  readonly byCategory: Readonly<Record<Entry['category'], bigint>>;
}

/** The number and the sum of the entries of one kind, book and category. */
export interface EntrySum {
  readonly kind: OperationKind;
  readonly book: Book;
  readonly category: Entry['category'];
  readonly amount: bigint;
  readonly entries: bigint;
}

/** The time by the database's clock, which is the ledger's. */
export async function readNow(on: Sql): Promise<number> {
  const [row] = await on.rows<{ now: number }>(sql.readNow);
  if (!row) throw new Error('bug: PostgreSQL returned no time');
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
 * The number of the first operation that is not before each instant, in milliseconds. If there is none,
 * it is the number that the next operation will have. `Infinity` and `-Infinity` are instants too.
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
  if (first === undefined || before === undefined)
    throw new Error('bug: PostgreSQL returned no number for an instant');
  return { first, before };
}

/** The posted balance at an instant, after the operations of the instant itself. */
export async function balanceAt(
  database: Database,
  account: AccountId,
  instant: number,
): Promise<Posted> {
  return inSnapshot(database, async (tx) => {
    // Instants are whole milliseconds.
    const { before } = await rangeOf(tx, account, { to: instant + 1 });
    const [balance] = await balancesBefore(tx, account, [before]);
    if (!balance) throw new Error('bug: PostgreSQL returned no balance for a number');
    return balance.posted;
  });
}

/**
 * The posted balance before each number, with the sums of entries that make it up. Needs a snapshot.
 * Throws if the last entry's `posted_after` is not the sum of all: such a ledger must not be shown.
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
        `account ${account} does not add up: the entries before operation ${numbers[index]} sum to ${sum}, and posted_after of the last is ${posted}`,
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
