import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { QueryResultRow } from 'pg';
import type { Statement } from '../../db/connection/database.ts';
import type { Command, CommandResult } from '../../db/connection/flush.ts';
import type { Pipeline } from '../../db/connection/pipeline.ts';
import { faultOf, isRolledBack } from '../../db/connection/sqlstate.ts';
import type { FailureCode, Operation, Outcome } from '../operations/operations.ts';
import {
  type BatchDecision,
  decideBatch,
  factsOf,
  lockAndRead,
  namesIn,
  readRest,
} from './batch.ts';
import type { ClockWatch } from './clock.ts';
import type { LedgerObserver } from './observer.ts';
import { Queue, type Waiting } from './queue.ts';
import { type Answers, addTo } from './rows-to-state.ts';
import * as sql from './sql/lane.ts';
import { writeAndCommit } from './write.ts';

/**
 * A lane: one connection that runs batches of operations, one batch at a time. Each batch is one
 * transaction: lock its accounts in sorted order, read in later statements, decide, write, commit. An
 * operation is settled only after PostgreSQL has answered COMMIT.
 */

/**
 * `lock_timeout` bounds the wait for another node's lock. `idle_in_transaction_session_timeout` frees the
 * locks of a node that was stopped, and the keepalives free those of a machine that was cut off. A plan is
 * made once for all batches, so the planner may use indexes only.
 */
export const LANE_SETTINGS = {
  lock_timeout: '1s',
  statement_timeout: '5s',
  idle_in_transaction_session_timeout: '2s',
  tcp_keepalives_idle: '2',
  tcp_keepalives_interval: '1',
  tcp_keepalives_count: '3',
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

/** The longest time that a batch retries to connect, and the interval of its attempts. */
const RECONNECT_FOR_MS = 1_500;
const RECONNECT_EVERY_MS = 50;
/** The interval at which operations that have waited too long are removed from the queue. */
const EXPIRE_EVERY_MS = 100;
/** The most retries of a batch after deadlocks. */
const MOST_CONFLICTS = 3;
const LOCK_TIMEOUT = '55P03';

export interface LaneOptions {
  readonly connect: () => Promise<Pipeline>;
  readonly observer: LedgerObserver;
  readonly clock: ClockWatch;
  readonly log: {
    warn(details: object, message: string): void;
    error(details: object, message: string): void;
  };
}

/** The findings of earlier attempts at a batch. */
interface Attempt {
  readonly skipLocked: boolean;
  /** The batch already runs on its second connection. */
  readonly reconnected: boolean;
  readonly conflicts: number;
  /** Operations whose COMMIT was sent but not answered: the ledger may have them already. */
  readonly unanswered: ReadonlySet<Operation>;
}

const FIRST: Attempt = {
  skipLocked: false,
  reconnected: false,
  conflicts: 0,
  unanswered: new Set(),
};

export class Lane {
  readonly #options: LaneOptions;
  readonly #queue = new Queue();
  #pipeline: Pipeline | undefined;
  /** The time of the first failed attempt to connect; undefined: the last attempt succeeded. */
  #awaySince: number | undefined;
  #working: Promise<void> | undefined;
  /** Outcomes of the last batch, which its callers do not have yet. */
  #untold: { readonly waiting: Waiting; readonly outcome: Outcome }[] = [];
  #stopping = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Queues an operation for the next batch and resolves with its outcome; never rejects. */
  submit(operation: Operation, isWanted: () => boolean): Promise<Outcome> {
    const { observer } = this.#options;
    return new Promise((resolve) => {
      const settle = (outcome: Outcome) => {
        if (outcome.kind === 'refused') observer.refused(outcome.refusal.code);
        if (outcome.kind === 'failed') observer.failed(outcome.code);
        resolve(outcome);
      };
      if (this.#stopping) return settle({ kind: 'failed', code: 'stopping' });
      const drop = () => resolve({ kind: 'failed', code: 'overloaded' });
      const waiting = { operation, isWanted, settle, drop, since: performance.now() };
      if (!this.#queue.push(waiting)) return settle({ kind: 'failed', code: 'overloaded' });
      this.#working ??= this.#work();
    });
  }

  /** Refuses new operations, settles the queued ones, and closes the connection. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#working;
    this.#pipeline?.close();
  }

  async #work(): Promise<void> {
    const expiry = setInterval(() => this.#expire(), EXPIRE_EVERY_MS);
    // Operations that arrive in the same turn of the event loop join the first batch.
    await nextTurn();
    while (this.#queue.length > 0) {
      this.#expire();
      const batch = this.#queue.take();
      this.#options.observer.queued(this.#queue.length);
      const running = batch.length > 0 && this.#run(batch, FIRST);
      // PostgreSQL works on this batch while the callers of the last one get their outcomes.
      this.#tell();
      await running;
    }
    this.#tell();
    clearInterval(expiry);
    this.#working = undefined;
  }

  #tell(): void {
    const untold = this.#untold;
    this.#untold = [];
    for (const { waiting, outcome } of untold) waiting.settle(outcome);
  }

  #expire(): void {
    const code = this.#awaySince === undefined ? 'overloaded' : 'database_unavailable';
    this.#queue.expire(performance.now(), code);
  }

  async #run(batch: readonly Waiting[], attempt: Attempt): Promise<void> {
    const { observer, clock } = this.#options;
    const operations = batch.map(({ operation }) => operation);
    const names = namesIn(operations);
    observer.batch(operations.length, names.accounts.length);

    const pipeline = this.#connection ?? (await this.#connected());
    if (!pipeline) return this.#fail(batch, 'database_unavailable', attempt);

    const commands = lockAndRead(operations, names, attempt.skipLocked);
    const read = await pipeline.flush(commands);
    const answers = answersOf(commands, read);
    if (!answers) return this.#recover(batch, read, pipeline, attempt);

    let decided: BatchDecision;
    try {
      const facts = factsOf(answers);
      for (const { reading } of facts.accounts.values()) clock.saw(reading);
      const rest = readRest(facts.accounts, answers);
      if (rest.length > 0) {
        const restRead = await pipeline.flush(rest);
        const restAnswers = answersOf(rest, restRead);
        if (!restAnswers) return this.#recover(batch, restRead, pipeline, attempt);
        addTo(facts.accounts, restAnswers);
      }
      decided = decideBatch(operations, facts);
    } catch (error) {
      await pipeline.flush([[sql.rollback]]);
      return this.#runHalves(batch, error, attempt);
    }

    const written = await pipeline.flush(writeAndCommit(decided.moved));
    const last = written.at(-1);
    if (!written.every(({ ok }) => ok) || !last?.ok || last.tag !== 'COMMIT') {
      const sent = new Set(attempt.unanswered);
      if (!isRolledBack(errorOf(written))) for (const operation of operations) sent.add(operation);
      return this.#recover(batch, written, pipeline, { ...attempt, unanswered: sent });
    }
    observer.committed();
    batch.forEach((waiting, index) => {
      const isUnanswered = attempt.unanswered.has(waiting.operation);
      this.#untold.push({ waiting, outcome: afterRuns(decided.outcomes[index], isUnanswered) });
    });
  }

  /**
   * Handles a failed flush: retries the batch on a new connection, by halves or as a whole, or fails it.
   * PostgreSQL may recover from any of its states, so none of them is an internal error.
   */
  async #recover(
    batch: readonly Waiting[],
    results: readonly CommandResult[],
    pipeline: Pipeline,
    attempt: Attempt,
  ): Promise<void> {
    const { observer, log } = this.#options;
    const error = errorOf(results);
    const fault = pipeline.lost ? 'connection' : faultOf(error);
    if (fault === 'connection') {
      const reason = pipeline.lost ? 'connection_lost' : 'connection_unfit';
      pipeline.close();
      if (attempt.reconnected) {
        log.error({ err: error }, 'a batch failed on two connections');
        return this.#fail(batch, 'database_unavailable', attempt);
      }
      log.warn({ err: error, reason }, 'a batch runs again on a new connection');
      observer.ranAgain(reason);
      return this.#run(batch, { ...attempt, reconnected: true });
    }
    await pipeline.flush([[sql.rollback]]);
    if (fault === 'wait' && error.code === LOCK_TIMEOUT && !attempt.skipLocked) {
      observer.ranAgain('lock_timeout');
      return this.#run(batch, { ...attempt, skipLocked: true });
    }
    if (fault === 'conflict' && attempt.conflicts < MOST_CONFLICTS) {
      observer.ranAgain('conflict');
      return this.#run(batch, { ...attempt, conflicts: attempt.conflicts + 1 });
    }
    if (fault === 'statement') return this.#runHalves(batch, error, attempt);
    log.error({ err: error }, 'a batch failed');
    return this.#fail(batch, 'database_unavailable', attempt);
  }

  /** Finds the operation that cannot be written by binary search: only that one fails. */
  async #runHalves(batch: readonly Waiting[], error: unknown, attempt: Attempt): Promise<void> {
    const [alone, ...others] = batch;
    if (alone && others.length === 0) {
      const { account, kind } = alone.operation;
      this.#options.log.error({ err: error, account, kind }, 'an operation cannot be written');
      return this.#fail(batch, 'internal_error', attempt);
    }
    this.#options.observer.ranAgain('halved');
    const middle = Math.ceil(batch.length / 2);
    await this.#run(batch.slice(0, middle), attempt);
    await this.#run(batch.slice(middle), attempt);
  }

  #fail(batch: readonly Waiting[], code: FailureCode, attempt: Attempt): void {
    for (const waiting of batch) {
      const isUnanswered = attempt.unanswered.has(waiting.operation);
      this.#untold.push({ waiting, outcome: afterRuns({ kind: 'failed', code }, isUnanswered) });
    }
  }

  /** The connection, if it works. */
  get #connection(): Pipeline | undefined {
    return this.#pipeline?.lost ? undefined : this.#pipeline;
  }

  /** Connects if the connection was lost; undefined: PostgreSQL stayed unreachable. */
  async #connected(): Promise<Pipeline | undefined> {
    for (;;) {
      if (this.#connection) return this.#connection;
      try {
        this.#pipeline = await this.#options.connect();
        this.#awaySince = undefined;
      } catch (error) {
        this.#pipeline = undefined;
        if (this.#awaySince === undefined) {
          this.#awaySince = performance.now();
          this.#options.log.warn({ err: error }, 'the lane cannot connect to PostgreSQL');
        }
        if (performance.now() - this.#awaySince >= RECONNECT_FOR_MS) return undefined;
        await delay(RECONNECT_EVERY_MS);
      }
    }
  }
}

/** The answers to the commands of a flush, by statement; undefined: a command failed. */
function answersOf(
  commands: readonly Command[],
  results: readonly CommandResult[],
): Answers | undefined {
  const answers = new Map<Statement, QueryResultRow[]>();
  for (const [index, [statement]] of commands.entries()) {
    const result = results[index];
    if (!result?.ok) return undefined;
    answers.set(statement, result.rows);
  }
  return answers;
}

function errorOf(results: readonly CommandResult[]): Error & { code?: string } {
  for (const result of results) if (!result.ok) return result.error;
  return new Error('PostgreSQL did not commit');
}

/**
 * Corrects the outcome of an operation whose earlier COMMIT was not answered. A replay means that this
 * COMMIT had succeeded; after a failure nobody knows, and the outcome is `outcome_unknown`.
 */
function afterRuns(outcome: Outcome | undefined, unanswered: boolean): Outcome {
  if (!outcome) return { kind: 'failed', code: 'internal_error' };
  if (!unanswered) return outcome;
  if (outcome.kind === 'replayed') return { kind: 'recorded', receipt: outcome.receipt };
  if (outcome.kind === 'failed') return { kind: 'failed', code: 'outcome_unknown' };
  return outcome;
}
