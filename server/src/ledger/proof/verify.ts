import type { Database, Sql } from '../../db/connection/database.ts';
import { smaller } from '../rules/account-state.ts';
import { type Check, LAST_NUMBER, type OffenderRow } from './sql/check.ts';
import * as sql from './sql/chunks.ts';
import { entrySums, rollups } from './sql/rollups.ts';
import { states } from './sql/state.ts';
import { type Summed, summed } from './sql/sums.ts';
import * as walk from './sql/walk.ts';

/**
 * Proves the ledger's invariants (README §9, §15) while the server may go on working.
 *
 * Accounts are proved in chunks, in the order of their ids; a small chunk is one snapshot. A large account
 * is walked in ranges of numbers, as operations and entries are append-only. Each range has a short
 * snapshot of its own, so that hot rows can be pruned.
 *
 * The last snapshot has the remaining operations and the rows that change, and gets the sums of the ranges:
 * in it everything must agree. So each row is read a fixed number of times, however many accounts there are.
 */

/** The most that one snapshot covers: about a second. */
export const VERIFY_BOUNDS = { mostAccounts: 10_000, mostOperations: 100_000n };

export interface Verification {
  readonly accounts: number;
  readonly operations: number;
  readonly entries: number;
  /** The first broken promise; null: the books add up. */
  readonly problem: Problem | null;
  /** The public id of the last proved account, after which to continue; null: none, or all are proved. */
  readonly provedTo: string | null;
}

export interface Problem {
  /** The account's public id; its internal id if the account itself is missing. */
  readonly account: string;
  readonly promise: string;
  /** The finding, with the numbers of the rows. Amounts are microcents. */
  readonly details: string;
}

export interface VerifyOptions {
  /** Continues after this account: `provedTo` of an earlier run. */
  readonly after?: string | undefined;
  /** Proves this account only. */
  readonly only?: string | undefined;
  /** Aborts the run between two snapshots. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the accounts that are done, their total, and the operations that are done. */
  readonly onProgress?: ((done: number, total: number, operations: number) => void) | undefined;
}

/** No account has this public id. */
export class UnknownAccount extends Error {}

/** Proves the books, and stops at the first broken promise. */
export async function verify(
  database: Database,
  options: VerifyOptions = {},
  { mostAccounts, mostOperations }: typeof VERIFY_BOUNDS = VERIFY_BOUNDS,
): Promise<Verification> {
  const done = { accounts: 0, operations: 0, entries: 0 };
  const { signal } = options;
  let total = 0;
  const onProgress = () =>
    options.onProgress?.(done.accounts, Math.max(total, done.accounts), done.operations);
  const newRun = () => new Run(database, mostOperations, signal, done, onProgress);
  if (options.only !== undefined) {
    const problem = await newRun().prove([await accountOf(database, options.only)]);
    return { ...done, problem, provedTo: null };
  }
  let last = options.after === undefined ? undefined : await accountOf(database, options.after);
  const [size] = await database.rows<{ accounts: bigint }>(sql.size, [last?.id ?? null]);
  total = Number(size?.accounts ?? 0);
  while (!signal?.aborted) {
    const found = await database.rows<sql.AccountRow>(sql.chunk, [last?.id ?? null, mostAccounts]);
    const chunk = firstOf(found, mostOperations);
    const run = newRun();
    const problem = (await run.findStray(last?.id, chunk.at(-1)?.id)) ?? (await run.prove(chunk));
    if (problem) return { ...done, problem, provedTo: last?.public_id ?? null };
    if (chunk.length === 0) return { ...done, problem: null, provedTo: null };
    if (!signal?.aborted) last = chunk.at(-1);
  }
  return { ...done, problem: null, provedTo: last?.public_id ?? null };
}

/** The accounts, at least one, that one snapshot can cover. */
function firstOf(accounts: readonly sql.AccountRow[], mostOperations: bigint): sql.AccountRow[] {
  let operations = 0n;
  const end = accounts.findIndex(({ last_number }, index) => {
    operations += last_number ?? 0n;
    return index > 0 && operations > mostOperations;
  });
  return end === -1 ? [...accounts] : accounts.slice(0, end);
}

async function accountOf(database: Database, publicId: string): Promise<sql.AccountRow> {
  const [account] = await database.rows<sql.AccountRow>(sql.oneAccount, [publicId]);
  if (!account) throw new UnknownAccount(publicId);
  return account;
}

/** From after an operation of one account to an operation of the same or a later account. */
type Range = readonly [account: string, after: bigint, lastAccount: string, upTo: bigint];

interface Done {
  accounts: number;
  operations: number;
  entries: number;
}

/** The proof of one chunk. */
class Run {
  readonly #database: Database;
  readonly #mostOperations: bigint;
  readonly #signal: AbortSignal | undefined;
  readonly #done: Done;
  readonly #onProgress: () => void;
  /** The sums of the ranges of a large account, one JSON text each. */
  readonly #kept = new Map<Summed, string[]>();

  constructor(
    database: Database,
    mostOperations: bigint,
    signal: AbortSignal | undefined,
    done: Done,
    onProgress: () => void,
  ) {
    this.#database = database;
    this.#mostOperations = mostOperations;
    this.#signal = signal;
    this.#done = done;
    this.#onProgress = onProgress;
  }

  /** The first row after one account and up to another that belongs to no account. */
  findStray(after: string | undefined, upTo: string | undefined): Promise<Problem | null> {
    return this.#inSnapshot((tx) => firstProblem(tx, [sql.strays], [after ?? null, upTo ?? null]));
  }

  /** Proves successive accounts; null: no promise is broken, or the run was aborted. */
  async prove(accounts: readonly sql.AccountRow[]): Promise<Problem | null> {
    const [first, last] = [accounts[0], accounts.at(-1)];
    if (!first || !last) return null;
    const { id, last_number, rolled_up: rolledUp } = first;
    let walked = 0n;
    while (accounts.length === 1 && (last_number ?? 0n) - walked > this.#mostOperations) {
      if (this.#signal?.aborted) return null;
      const end = await this.#endOfRange(id, walked + this.#mostOperations);
      if (end === null) break;
      const range: Range = [id, walked, id, end];
      const problem = await this.#inSnapshot((tx) => this.#walkApart(tx, range, rolledUp));
      if (problem) return problem;
      this.#onProgress();
      walked = end;
    }
    const rest: Range = [id, walked, last.id, LAST_NUMBER];
    const problem = await this.#inSnapshot((tx) => this.#finish(tx, rest, rolledUp));
    this.#done.accounts += accounts.length;
    this.#onProgress();
    return problem;
  }

  async #inSnapshot<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
    // The work counts rows as it goes, so a retry would count them twice.
    return this.#database.transaction(
      async (tx) => {
        await tx.rows(sql.snapshot);
        await tx.rows(sql.settings);
        return work(tx);
      },
      { once: true },
    );
  }

  /** The end of a range: the first operation from a number on that no follower comes after; null: none. */
  async #endOfRange(account: string, number: bigint): Promise<bigint | null> {
    const [end] = await this.#inSnapshot((tx) =>
      tx.rows<{ number: bigint }>(walk.endOfRange, [account, number]),
    );
    return end?.number ?? null;
  }

  /** Proves a range. */
  async #walk(tx: Sql, range: Range): Promise<Problem | null> {
    const problem = await firstProblem(tx, [...walk.walks, entrySums], range);
    const [counts] = await tx.rows<{ operations: bigint; entries: bigint }>(walk.counts, range);
    this.#done.operations += Number(counts?.operations ?? 0);
    this.#done.entries += Number(counts?.entries ?? 0);
    return problem;
  }

  /** Proves a range of a large account, and keeps its sums for the last snapshot. */
  async #walkApart(tx: Sql, range: Range, rolledUp: bigint): Promise<Problem | null> {
    const problem = await this.#walk(tx, range);
    const [account, after, , upTo] = range;
    for (const part of summed) {
      const end = part.isRolledUp ? smaller(upTo, rolledUp) : upTo;
      if (problem || end <= after) continue;
      const [row] = await tx.rows<{ sums: string }>(part.ofRange, [account, after, account, end]);
      this.#kept.set(part, [...(this.#kept.get(part) ?? []), row?.sums ?? '[]']);
    }
    return problem;
  }

  /** Proves the remaining operations, and that the rows that change agree with all of them. */
  async #finish(tx: Sql, range: Range, rolledUp: bigint): Promise<Problem | null> {
    const [first, walked, last] = range;
    let problem =
      (await this.#walk(tx, range)) ??
      (await firstProblem(tx, [...states, rollups], [first, last]));
    for (const part of summed) {
      const from = part.isRolledUp ? smaller(walked, rolledUp) : walked;
      const values = [first, from, last, this.#kept.get(part) ?? []];
      problem ??= await firstProblem(tx, [part.check], values);
    }
    return problem;
  }
}

async function firstProblem(
  tx: Sql,
  checks: readonly Check[],
  values: readonly unknown[],
): Promise<Problem | null> {
  for (const { promises, statement } of checks) {
    const [offender] = await tx.rows<OffenderRow>(statement, values);
    if (!offender) continue;
    const { account_id, rule, details } = offender;
    const [account] = await tx.rows<{ public_id: string }>(sql.publicId, [account_id]);
    return { account: account?.public_id ?? account_id, promise: promises[rule] ?? '', details };
  }
  return null;
}
