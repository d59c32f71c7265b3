import type { Database, Sql } from '../../db/connection/database.ts';
import { smaller } from '../rules/account-state.ts';
import { type Check, LAST_NUMBER, type OffenderRow } from './sql/check.ts';
import * as sql from './sql/progress.ts';
import { entrySums, rollups } from './sql/rollups.ts';
import { states } from './sql/state.ts';
import { type Summed, summed } from './sql/sums.ts';
import * as walk from './sql/walk.ts';

/**
 * The proof of the ledger's invariants (README.md), while the server may go on working.
 *
 * Accounts are proved in chunks, in the order of their ids, and a chunk in one snapshot if it is small.
 * Operations and entries are append-only, so those of a large account are walked in ranges of numbers,
 * each in a short snapshot of its own: hot rows can be pruned meanwhile. What the entries of a range move
 * is added up, and the last snapshot has the rest of the way and the rows that change: in it everything
 * must agree. So each row is read a fixed number of times, however many accounts there are.
 */

/** How much one snapshot covers at most: about a second. */
export const VERIFY_BOUNDS = { mostAccounts: 10_000, mostOperations: 100_000n };

export interface Verification {
  readonly accounts: number;
  readonly operations: number;
  readonly entries: number;
  /** The first thing that does not hold; null: the books add up. */
  readonly problem: Problem | null;
  /** The public id of the last account that was proved, to go on after; null: none, or all are. */
  readonly provedTo: string | null;
}

export interface Problem {
  /** The account's public id, or the internal one where the account itself is missing. */
  readonly account: string;
  /** The promise that is broken. */
  readonly promise: string;
  /** What was found, with the numbers of the rows. Amounts are microcents. */
  readonly details: string;
}

export interface VerifyOptions {
  /** Go on after this account, as an earlier run said. */
  readonly after?: string | undefined;
  /** Only this account. */
  readonly only?: string | undefined;
  /** Ends the run between two snapshots. */
  readonly signal?: AbortSignal | undefined;
  /** Hears how many accounts are done, of how many, and how many operations. */
  readonly onProgress?: ((done: number, total: number, operations: number) => void) | undefined;
}

/** There is no account with this public id. */
export class UnknownAccount extends Error {}

/** Proves the books; stops at the first thing that does not hold. */
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

/** As many accounts as one snapshot can cover, and one at least. */
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

/** After an operation of one account, up to one of the same account or a later one. */
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
  /** The sums of the ranges of a large account, a text each. */
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

  /** The first row that belongs to no account, after an account and up to another; of none to the end. */
  findStray(after: string | undefined, upTo: string | undefined): Promise<Problem | null> {
    return this.#inSnapshot((tx) => firstProblem(tx, [sql.strays], [after ?? null, upTo ?? null]));
  }

  /** Proves accounts that follow one another; null if nothing is wrong, or the run was ended. */
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
    // It counts as it goes, so a second run would count twice.
    return this.#database.transaction(
      async (tx) => {
        await tx.rows(sql.snapshot);
        await tx.rows(sql.settings);
        return work(tx);
      },
      { once: true },
    );
  }

  /** The operation from a number on from which nothing follows; null: nothing comes after it. */
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

  /** A range of a large account, of which the last snapshot is given no more than its sums. */
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

  /** The rest of the way, and whether the rows that change agree with all of it. */
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
