import { setTimeout as delay } from 'node:timers/promises';
import type { QueryResultRow } from 'pg';
import { DatabaseUnavailable, type Statement } from '../db/database.ts';
import type { Command } from '../db/flush.ts';
import type { Pipeline } from '../db/pipeline.ts';
import type { PostgresDatabase } from '../db/postgres.ts';
import { faultOf } from '../db/sqlstate.ts';
import { readCurrent } from './current.ts';
import { accountIdOf } from './ids.ts';
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

/** A customer's key, its account, and what the account has. */
export interface CustomerKeyRead {
  readonly kind: 'customer';
  /** Whether it is neither revoked nor expired. */
  readonly isValid: boolean;
  /** Of the secret that was sent, in hex. */
  readonly sha256: string;
  readonly apiKeyId: string;
  readonly accountPublicId: string;
  readonly accountStatus: 'active' | 'suspended';
  readonly scopes: readonly string[];
  /** Posted minus held, in microcents. */
  readonly available: bigint;
  readonly overdraftLimit: bigint;
}

/** An operator key that is valid now. */
export interface OperatorKeyRead {
  readonly kind: 'operator';
  readonly operatorKeyId: string;
  readonly scopes: readonly string[];
}

type KeyRead = CustomerKeyRead | OperatorKeyRead;
/** A customer's key as a row tells it. */
type FoundCustomerKey = Omit<CustomerKeyRead, 'available'> & {
  /** Null: something has become due, so it must be computed. */
  readonly available: bigint | null;
};
type Found = FoundCustomerKey | OperatorKeyRead;

/** One statement that looks keys up, and how its rows are read. */
interface Lookup {
  readonly statement: Statement;
  /** `sha256` is the hash that the row was found by. */
  readonly foundIn: (row: QueryResultRow, sha256: string) => Found;
}

interface Question {
  readonly lookup: Lookup;
  /** The hash as 64 hex digits. */
  readonly sha256: string;
  readonly since: number;
  /** Told what was read; undefined: no such key is valid. */
  readonly answer: (read: KeyRead | undefined) => void;
  readonly fail: (error: Error) => void;
  /** It was asked on a connection that turned out bad. */
  isRepeated: boolean;
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
   * The customer's key with this SHA-256, in hex, valid or not; undefined where there is none. Rejects
   * with DatabaseUnavailable within 2 s.
   */
  customerKey(sha256: string): Promise<CustomerKeyRead | undefined> {
    return this.#ask<CustomerKeyRead>(CUSTOMER_KEYS, sha256);
  }

  /** The operator key with this SHA-256; undefined where there is none, or it is not valid. */
  operatorKey(sha256: string): Promise<OperatorKeyRead | undefined> {
    return this.#ask<OperatorKeyRead>(OPERATOR_KEYS, sha256);
  }

  /** Closes the connection; what is asked from now on fails. */
  stop(): void {
    this.#stopping = true;
    this.#pipeline?.close();
  }

  #ask<Read extends KeyRead>(lookup: Lookup, sha256: string): Promise<Read | undefined> {
    return new Promise((resolve, fail) => {
      if (this.#waiting.length >= CAPACITY || this.#stopping) {
        return fail(new DatabaseUnavailable('too many reads are waiting'));
      }
      this.#waiting.push({
        lookup,
        sha256,
        since: performance.now(),
        answer: resolve as Question['answer'],
        fail,
        isRepeated: false,
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
    this.#observer.reads(questions.length);
    const batches = LOOKUPS.map((lookup) => batchOf(questions, lookup)).filter(
      ({ asked }) => asked.length > 0,
    );
    const results = await pipeline.flush(batches.map(({ command }) => command));
    batches.forEach(({ lookup, asked, places, hashes }, index) => {
      const result = results[index];
      if (!result?.ok) {
        this.#recover(asked, result?.error, pipeline);
        return;
      }
      const byPlace: Found[] = [];
      for (const row of result.rows) {
        byPlace[row.place] = lookup.foundIn(row, hashes[row.place - 1] ?? '');
      }
      const due: DueQuestion[] = [];
      for (const question of asked) {
        const found = byPlace[places.get(question.sha256) ?? 0];
        if (found && !isRead(found)) due.push({ question, found });
        else question.answer(found);
      }
      if (due.length > 0) void this.#answerDue(due);
    });
  }

  /** After a read that failed: asks once more on a new connection, if that may help. */
  #recover(asked: readonly Question[], error: Error | undefined, pipeline: Pipeline): void {
    const isBad = pipeline.lost || faultOf(error) === 'connection';
    if (isBad) pipeline.close();
    const failure = new DatabaseUnavailable('a read failed', { cause: error });
    const isLate = ({ since }: Question) => performance.now() - since >= LONGEST_WAIT_MS;
    const again: Question[] = [];
    for (const question of asked) {
      if (!isBad || this.#stopping || question.isRepeated || isLate(question)) {
        question.fail(failure);
      } else {
        question.isRepeated = true;
        again.push(question);
      }
    }
    this.#waiting.unshift(...again);
  }

  /** Computes what the accounts have now, where that is not yet written. */
  async #answerDue(due: readonly DueQuestion[]): Promise<void> {
    try {
      const accounts = new Set(due.map(({ found }) => accountIdOf(found.accountPublicId)));
      const states = await readCurrent(this.#database, [...accounts]);
      for (const { question, found } of due) {
        const state = states.get(accountIdOf(found.accountPublicId));
        if (!state) throw new Error('an account has gone');
        question.answer({ ...found, available: state.posted - state.held });
      }
    } catch (error) {
      for (const { question } of due) question.fail(error as Error);
    }
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

/** A question whose answer needs more than its row. */
interface DueQuestion {
  readonly question: Question;
  readonly found: FoundCustomerKey;
}

/** Whether a row tells all that was asked. */
function isRead(found: Found): found is KeyRead {
  return found.kind === 'operator' || found.available !== null;
}

/** The questions that a look-up answers, the place of each hash in it, and what is to be sent. */
function batchOf(questions: readonly Question[], lookup: Lookup) {
  const asked = questions.filter((question) => question.lookup === lookup);
  const places = new Map<string, number>();
  for (const { sha256 } of asked) if (!places.has(sha256)) places.set(sha256, places.size + 1);
  const hashes = [...places.keys()];
  const command: Command = [lookup.statement, [hashes.map((sha256) => `\\x${sha256}`)]];
  return { lookup, asked, places, hashes, command };
}

const CUSTOMER_KEYS: Lookup = {
  statement: sql.readCustomerKeys,
  foundIn: (found, sha256) => {
    const row = found as sql.CustomerKeyRow;
    return {
      kind: 'customer',
      isValid: row.is_valid,
      sha256,
      apiKeyId: row.id,
      accountPublicId: row.public_id,
      accountStatus: row.status,
      scopes: row.scopes.split(','),
      available: row.available,
      overdraftLimit: row.overdraft_limit,
    };
  },
};
const OPERATOR_KEYS: Lookup = {
  statement: sql.readOperatorKeysBySecret,
  foundIn: (found) => {
    const { id, scopes } = found as sql.OperatorKeyRow;
    return { kind: 'operator', operatorKeyId: id, scopes: scopes.split(',') };
  },
};
const LOOKUPS: readonly Lookup[] = [CUSTOMER_KEYS, OPERATOR_KEYS];
