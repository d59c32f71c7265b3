import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseUnavailable, type Statement } from '../db/database.ts';
import type { Command, Pipeline } from '../db/pipeline.ts';
import type { PostgresDatabase } from '../db/postgres.ts';
import { LANE_SETTINGS } from './lane.ts';
import type { LedgerObserver } from './observer.ts';
import * as sql from './sql/keys.ts';

/**
 * Reads by key, batched: one statement answers everything that was asked since the last one, over a
 * connection of its own. It begins after the question, so it sees every commit before it, revocations
 * and charges alike; nothing is kept for the next question.
 */

/** A question waits this long for its statement, and the statement this long for its answer: under 2 s. */
const LONGEST_WAIT_MS = 900;
const ANSWER_TIMEOUT_MS = 1_000;
const RECONNECT_EVERY_MS = 50;
const EXPIRE_EVERY_MS = 50;
/** Two statements under way: PostgreSQL works on one while the answers to the other are sent. */
const MOST_IN_FLIGHT = 2;
/** Keys in one statement, and questions that may wait. */
const MOST_KEYS = 1_000;
const CAPACITY = 20_000;

/** A customer's key that is valid now, its account, and what the account has. */
export interface CustomerKeyRead {
  readonly apiKeyId: string;
  readonly accountPublicId: string;
  readonly accountStatus: 'active' | 'suspended';
  readonly scopes: readonly string[];
  /** Posted minus held, in microcents. */
  readonly available: bigint;
}

/** An operator key that is valid now. */
export interface OperatorKeyRead {
  readonly operatorKeyId: string;
  readonly scopes: readonly string[];
}

type AnyRow = sql.CustomerKeyRow | sql.OperatorKeyRow;

interface Question {
  readonly statement: Statement;
  /** The hash in PostgreSQL's text form, `\x` and 64 hex digits. */
  readonly sha256: string;
  readonly since: number;
  readonly answer: (row: AnyRow | undefined) => void;
  readonly fail: (error: Error) => void;
}

export class KeyReads {
  readonly #database: PostgresDatabase;
  readonly #observer: LedgerObserver;
  #waiting: Question[] = [];
  #pipeline: Pipeline | undefined;
  #scheduled = false;
  /** A batch is about to be sent, as soon as there is a connection. */
  #sending = false;
  #inFlight = 0;
  /** Runs while something waits. */
  #expiry: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(database: PostgresDatabase, options: { observer: LedgerObserver }) {
    this.#database = database;
    this.#observer = options.observer;
  }

  /**
   * The customer's key with this SHA-256; undefined where there is none, or it is expired or revoked.
   * Rejects with DatabaseUnavailable within 2 s.
   */
  customerKey(sha256: Buffer): Promise<CustomerKeyRead | undefined> {
    return this.#ask(sql.readCustomerKeys, sha256, customerKeyOf);
  }

  /** The operator key with this SHA-256; as `customerKey`. */
  operatorKey(sha256: Buffer): Promise<OperatorKeyRead | undefined> {
    return this.#ask(sql.readOperatorKeysBySecret, sha256, operatorKeyOf);
  }

  /** Closes the connection; what is asked from now on fails. */
  stop(): void {
    this.#stopping = true;
    this.#pipeline?.close();
  }

  #ask<Row extends AnyRow, Read>(
    statement: Statement,
    sha256: Buffer,
    readOf: (row: Row) => Read,
  ): Promise<Read | undefined> {
    return new Promise((resolve, fail) => {
      if (this.#waiting.length >= CAPACITY || this.#stopping) {
        return fail(new DatabaseUnavailable('too many reads are waiting'));
      }
      this.#waiting.push({
        statement,
        sha256: `\\x${sha256.toString('hex')}`,
        since: performance.now(),
        answer: (row) => resolve(row && readOf(row as Row)),
        fail,
      });
      this.#expiry ??= setInterval(() => this.#expire(), EXPIRE_EVERY_MS);
      this.#schedule();
    });
  }

  /** Sends what waits at the end of this turn of the event loop: what arrives in it joins the batch. */
  #schedule(): void {
    if (this.#scheduled || this.#sending || this.#inFlight >= MOST_IN_FLIGHT) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#sending = true;
      void this.#connected().then((pipeline) => {
        this.#sending = false;
        if (pipeline) void this.#send(pipeline);
        if (this.#waiting.length > 0) this.#schedule();
      });
    });
  }

  async #send(pipeline: Pipeline): Promise<void> {
    const questions = this.#waiting.splice(0, MOST_KEYS);
    if (questions.length === 0) return;
    this.#inFlight += 1;
    await this.#answer(pipeline, questions);
    this.#inFlight -= 1;
    if (this.#waiting.length > 0) this.#schedule();
  }

  async #answer(pipeline: Pipeline, questions: readonly Question[]): Promise<void> {
    const statements = [sql.readCustomerKeys, sql.readOperatorKeysBySecret].flatMap((statement) => {
      const hashes = new Set<string>();
      for (const asked of questions) if (asked.statement === statement) hashes.add(asked.sha256);
      return hashes.size > 0 ? [{ statement, hashes: [...hashes] }] : [];
    });
    this.#observer.reads(questions.length);
    const commands = statements.map(({ statement, hashes }): Command => [statement, [hashes]]);
    const results = await pipeline.flush(commands);
    statements.forEach(({ statement }, index) => {
      const asked = questions.filter((question) => question.statement === statement);
      const result = results[index];
      if (!result?.ok) {
        const error = new DatabaseUnavailable('a read failed', { cause: result?.error });
        for (const { fail } of asked) fail(error);
        return;
      }
      const rows = new Map(
        (result.rows as (sql.CustomerKeyRow | sql.OperatorKeyRow)[]).map((row) => [
          row.sha256,
          row,
        ]),
      );
      for (const { answer, sha256 } of asked) answer(rows.get(sha256));
    });
  }

  /** Fails what has waited too long: PostgreSQL is away, or does not answer. */
  #expire(): void {
    const now = performance.now();
    const fresh = this.#waiting.findIndex(({ since }) => now - since < LONGEST_WAIT_MS);
    const expired = this.#waiting.splice(0, fresh === -1 ? this.#waiting.length : fresh);
    for (const { fail } of expired) fail(new DatabaseUnavailable('PostgreSQL does not answer'));
    if (this.#waiting.length > 0) return;
    clearInterval(this.#expiry);
    this.#expiry = undefined;
  }

  async #connected(): Promise<Pipeline | undefined> {
    if (this.#pipeline && !this.#pipeline.lost) return this.#pipeline;
    try {
      this.#pipeline = await this.#database.pipeline(
        'purser reads',
        LANE_SETTINGS,
        ANSWER_TIMEOUT_MS,
      );
    } catch {
      this.#pipeline = undefined;
      await delay(RECONNECT_EVERY_MS);
    }
    return this.#pipeline;
  }
}

function customerKeyOf(row: sql.CustomerKeyRow): CustomerKeyRead {
  return {
    apiKeyId: row.id,
    accountPublicId: row.public_id,
    accountStatus: row.status,
    scopes: row.scopes.split(' '),
    available: row.available,
  };
}

function operatorKeyOf(row: sql.OperatorKeyRow): OperatorKeyRead {
  return { operatorKeyId: row.id, scopes: row.scopes.split(' ') };
}
