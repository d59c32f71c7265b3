import type { Database, Sql } from '../db/database.ts';
import * as sql from './sql/verify.ts';

/** Accounts that one snapshot covers: short snapshots, so that hot rows can be pruned meanwhile. */
const CHUNK = 100;

export interface Verification {
  readonly accounts: number;
  readonly operations: number;
  readonly entries: number;
  /** The first thing that does not hold; null: the books add up. */
  readonly problem: Problem | null;
}

export interface Problem {
  /** The account's public id, or the internal one where the account itself is missing. */
  readonly account: string;
  /** The promise that is broken. */
  readonly promise: string;
  /** What was found, with the numbers of the rows. Amounts are microcents. */
  readonly details: string;
}

/**
 * Proves the books (ledger.md §9), account by account, while the server may go on working. Stops at
 * the first thing that does not hold. `onProgress` hears how many accounts are done, of how many.
 */
export async function verify(
  database: Database,
  options: { onProgress?: (done: number, total: number) => void } = {},
): Promise<Verification> {
  const [size] = await database.rows<{ accounts: bigint }>(sql.size);
  const total = Number(size?.accounts ?? 0);
  const done = { accounts: 0, operations: 0, entries: 0 };
  const [stray] = await database.transaction(async (tx) => {
    await tx.rows(sql.patience);
    return tx.rows<sql.OffenderRow>(sql.strayAccounts);
  });
  if (stray) {
    const promise = 'every row belongs to an account';
    return { ...done, problem: await problemOf(database, promise, stray) };
  }
  for (let after: string | null = null; ; ) {
    const accounts: string[] = (await database.rows<{ id: string }>(sql.chunk, [after, CHUNK])).map(
      ({ id }) => id,
    );
    const last = accounts.at(-1);
    if (last === undefined) return { ...done, problem: null };
    const { problem, operations, entries } = await verifyChunk(database, accounts);
    done.accounts += accounts.length;
    done.operations += operations;
    done.entries += entries;
    options.onProgress?.(done.accounts, Math.max(total, done.accounts));
    if (problem) return { ...done, problem };
    after = last;
  }
}

async function verifyChunk(database: Database, accounts: readonly string[]) {
  return database.transaction(async (tx) => {
    await tx.rows(sql.snapshot);
    await tx.rows(sql.patience);
    const [counts] = await tx.rows<{ operations: bigint; entries: bigint }>(sql.counts, [accounts]);
    return {
      operations: Number(counts?.operations ?? 0),
      entries: Number(counts?.entries ?? 0),
      problem: await firstProblem(tx, accounts),
    };
  });
}

async function firstProblem(tx: Sql, accounts: readonly string[]): Promise<Problem | null> {
  for (const { promise, statement } of sql.checks) {
    const [offender] = await tx.rows<sql.OffenderRow>(statement, [accounts]);
    if (offender) return problemOf(tx, promise, offender);
  }
  return null;
}

async function problemOf(on: Sql, promise: string, offender: sql.OffenderRow): Promise<Problem> {
  const [account] = await on.rows<{ public_id: string }>(sql.publicIds, [offender.account_id]);
  const { details } = offender;
  return { account: account?.public_id ?? offender.account_id, promise, details };
}
