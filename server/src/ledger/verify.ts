import type { Database, Sql } from '../db/database.ts';
import * as sql from './sql/verify.ts';
import * as walk from './sql/verify-walk.ts';

/**
 * The proof of ledger.md §9, while the server may go on working.
 *
 * Operations and entries are append-only, so they are walked in ranges of numbers, each in a snapshot
 * of its own that is short: hot rows can be pruned meanwhile. What the entries of a range move is
 * added up by grant; the rest of the way and the rows that change (balances, grants, holds, limits)
 * are then looked at in one last snapshot, in which everything must agree. Small accounts go many to
 * one such snapshot. What is kept in memory are the grants of a chunk that have something left.
 */

/** Accounts, and operations, that one snapshot covers at most. */
const MOST_ACCOUNTS = 500;
const MOST_OPERATIONS = 100_000n;

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
): Promise<Verification> {
  const done = { accounts: 0, operations: 0, entries: 0 };
  const stray = await findStray(database);
  if (stray) return { ...done, problem: stray, provedTo: null };
  const { signal, onProgress } = options;
  const run = new Run(database, done, signal);
  if (options.only !== undefined) {
    const problem = await run.prove([await accountOf(database, options.only)]);
    return { ...done, problem, provedTo: null };
  }
  let last = options.after === undefined ? undefined : await accountOf(database, options.after);
  const [size] = await database.rows<{ accounts: bigint }>(sql.size, [last?.id ?? null]);
  const total = Number(size?.accounts ?? 0);
  while (!signal?.aborted) {
    const values = [last?.id ?? null, MOST_ACCOUNTS];
    const chunk = chunkOf(await database.rows<sql.AccountRow>(sql.chunk, values));
    if (chunk.length === 0) return { ...done, problem: null, provedTo: null };
    const problem = await run.prove(chunk, (operations) =>
      onProgress?.(done.accounts, Math.max(total, done.accounts), operations),
    );
    if (problem) return { ...done, problem, provedTo: last?.public_id ?? null };
    if (!signal?.aborted) last = chunk.at(-1);
  }
  return { ...done, problem: null, provedTo: last?.public_id ?? null };
}

/** As many accounts as one snapshot can cover, and one at least. */
function chunkOf(accounts: readonly sql.AccountRow[]): sql.AccountRow[] {
  let operations = 0n;
  const end = accounts.findIndex(({ last_number }, index) => {
    operations += last_number ?? 0n;
    return index > 0 && operations > MOST_OPERATIONS;
  });
  return end === -1 ? [...accounts] : accounts.slice(0, end);
}

async function accountOf(database: Database, publicId: string): Promise<sql.AccountRow> {
  const [account] = await database.rows<sql.AccountRow>(sql.oneAccount, [publicId]);
  if (!account) throw new UnknownAccount(publicId);
  return account;
}

/** A range of an account's operations: those after a number, up to another. */
interface Range {
  readonly account: string;
  readonly after: bigint;
  readonly last: bigint;
}

/** By account, what the entries moved of each grant (null: the overdraft line), where it is not 0. */
type Sums = Map<string, Map<bigint | null, bigint>>;

interface Done {
  accounts: number;
  operations: number;
  entries: number;
}

class Run {
  readonly #database: Database;
  readonly #done: Done;
  readonly #signal: AbortSignal | undefined;

  constructor(database: Database, done: Done, signal: AbortSignal | undefined) {
    this.#database = database;
    this.#done = done;
    this.#signal = signal;
  }

  /** Proves accounts; null where nothing is wrong, or the run was ended. */
  async prove(
    accounts: readonly sql.AccountRow[],
    onProgress: (operations: number) => void = () => {},
  ): Promise<Problem | null> {
    const sums: Sums = new Map(accounts.map(({ id }) => [id, new Map()]));
    const walked = new Map<string, bigint>();
    for (const { id, last_number } of accounts) {
      let after = 0n;
      for (; (last_number ?? 0n) - after > MOST_OPERATIONS; after += MOST_OPERATIONS) {
        if (this.#signal?.aborted) return null;
        const range = { account: id, after, last: after + MOST_OPERATIONS };
        const problem = await this.#inSnapshot((tx) => this.#walk(tx, [range], sums));
        if (problem) return problem;
        onProgress(this.#done.operations);
      }
      walked.set(id, after);
    }
    const problem = await this.#inSnapshot((tx) =>
      this.#finish(tx, [...walked.keys()], walked, sums),
    );
    this.#done.accounts += accounts.length;
    onProgress(this.#done.operations);
    return problem;
  }

  async #inSnapshot<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
    // It counts as it goes, so a second run would count twice.
    return this.#database.transaction(
      async (tx) => {
        await tx.rows(sql.snapshot);
        await tx.rows(sql.patience);
        return work(tx);
      },
      { once: true },
    );
  }

  async #walk(tx: Sql, ranges: readonly Range[], sums: Sums): Promise<Problem | null> {
    const values = [
      ranges.map(({ account }) => account),
      ranges.map(({ after }) => after),
      ranges.map(({ last }) => last),
    ];
    const problem = await firstProblem(tx, walk.walks, values);
    if (problem) return problem;
    for (const row of await tx.rows<walk.SumRow>(walk.sums, values)) add(sums, row);
    const [counts] = await tx.rows<{ operations: bigint; entries: bigint }>(walk.counts, values);
    this.#done.operations += Number(counts?.operations ?? 0);
    this.#done.entries += Number(counts?.entries ?? 0);
    return null;
  }

  /** The rest of the way, and whether the rows that change agree with all of it. */
  async #finish(
    tx: Sql,
    accounts: readonly string[],
    walked: ReadonlyMap<string, bigint>,
    sums: Sums,
  ): Promise<Problem | null> {
    const ranges = accounts.map((account) => ({
      account,
      after: walked.get(account) ?? 0n,
      last: LAST_NUMBER,
    }));
    return (
      (await this.#walk(tx, ranges, sums)) ??
      (await firstProblem(tx, sql.checks, [accounts])) ??
      (await compareSums(tx, accounts, sums))
    );
  }
}

const LAST_NUMBER = 9_223_372_036_854_775_807n;

function add(sums: Sums, { account_id, grant_number, sum }: walk.SumRow): void {
  const ofAccount = sums.get(account_id);
  const total = (ofAccount?.get(grant_number) ?? 0n) + BigInt(sum);
  if (total === 0n) ofAccount?.delete(grant_number);
  else ofAccount?.set(grant_number, total);
}

/** Whether grants, overdraft and posted are what the entries sum up to. */
async function compareSums(
  tx: Sql,
  accounts: readonly string[],
  sums: Sums,
): Promise<Problem | null> {
  type GrantRow = { account_id: string; number: bigint; remaining: bigint };
  for (const { account_id, number, remaining } of await tx.rows<GrantRow>(sql.grantsLeft, [
    accounts,
  ])) {
    const sum = sums.get(account_id)?.get(number) ?? 0n;
    sums.get(account_id)?.delete(number);
    if (sum === remaining) continue;
    const details = `grant ${number} has ${remaining} left, its entries sum to ${sum}`;
    return problemOf(tx, 'what remains of each grant is the sum of its entries', {
      account_id,
      details,
    });
  }
  for (const row of await tx.rows<sql.StateRow>(sql.balances, [accounts])) {
    const { account_id, overdraft_used } = row;
    const left = sums.get(account_id) ?? new Map();
    const line = left.get(null) ?? 0n;
    if (line !== -overdraft_used) {
      const details = `the overdraft used is ${overdraft_used}, its entries sum to ${line}`;
      return problemOf(tx, 'the overdraft is the sum of its entries', { account_id, details });
    }
    left.delete(null);
    const [[number, sum] = []] = left;
    if (number === undefined) continue;
    const details = `grant ${number} has nothing left, its entries sum to ${sum}`;
    return problemOf(tx, 'what remains of each grant is the sum of its entries', {
      account_id,
      details,
    });
  }
  const [offender] = await tx.rows<sql.OffenderRow>(sql.posted, [accounts]);
  return offender ? problemOf(tx, sql.POSTED, offender) : null;
}

async function findStray(database: Database): Promise<Problem | null> {
  const [stray] = await database.transaction(async (tx) => {
    await tx.rows(sql.patience);
    return tx.rows<sql.OffenderRow>(sql.strayAccounts);
  });
  return stray ? problemOf(database, 'every row belongs to an account', stray) : null;
}

async function firstProblem(
  tx: Sql,
  checks: readonly sql.Check[],
  values: readonly unknown[],
): Promise<Problem | null> {
  for (const { promise, statement } of checks) {
    const [offender] = await tx.rows<sql.OffenderRow>(statement, values);
    if (offender) return problemOf(tx, promise, offender);
  }
  return null;
}

async function problemOf(on: Sql, promise: string, offender: sql.OffenderRow): Promise<Problem> {
  const [account] = await on.rows<{ public_id: string }>(sql.publicIds, [offender.account_id]);
  const { details } = offender;
  return { account: account?.public_id ?? offender.account_id, promise, details };
}
