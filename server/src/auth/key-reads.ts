import { setTimeout as delay } from 'node:timers/promises';
import type { QueryResultRow } from 'pg';
import { DatabaseUnavailable, type Statement } from '../db/connection/database.ts';
import type { Command } from '../db/connection/flush.ts';
import type { Pipeline } from '../db/connection/pipeline.ts';
import type { PostgresDatabase } from '../db/connection/postgres.ts';
import { faultOf } from '../db/connection/sqlstate.ts';
import { LANE_SETTINGS } from '../ledger/lane/lane.ts';
import type { LedgerObserver } from '../ledger/lane/observer.ts';
import { readCurrent } from '../ledger/lane/unlocked-read.ts';
import { type AccountId, accountIdOf } from '../ledger/operations/ids.ts';
import type { CustomerPrincipal, OperatorPrincipal } from './principal.ts';
import * as sql from './sql/key-reads.ts';

/**
 * Reads keys in batches over a connection of its own: one statement answers all questions since the last
 * one. A statement begins after its questions, so it sees every earlier revocation and charge. Nothing
 * is kept for the next question.
 */

/** The longest waits of a question for its statement, and of a statement for its answer: under 2 s in all. */
const LONGEST_WAIT_MS = 900;
const ANSWER_TIMEOUT_MS = 1_000;
const RECONNECT_EVERY_MS = 50;
const EXPIRE_EVERY_MS = 50;
/** With two statements in flight, PostgreSQL works on one while Node handles the answers of the other. */
const MOST_IN_FLIGHT = 2;
/** The most keys in one statement, and the most questions that wait. */
const MOST_KEYS = 1_000;
const CAPACITY = 20_000;

/** The balance of an account when its key was read, in microcents. */
export interface BalanceRead {
  /** Posted minus held. */
  readonly available: bigint;
  readonly overdraftLimit: bigint;
}

export interface CustomerKeyRead {
  /** Whether the key is neither revoked nor expired. */
  readonly isValid: boolean;
  readonly principal: CustomerPrincipal;
  readonly balance: BalanceRead;
}

/** An operator key that is valid now. */
export interface OperatorKeyRead {
  readonly principal: OperatorPrincipal & { readonly operatorKeyId: string };
  readonly balance: null;
}

export type KeyRead = CustomerKeyRead | OperatorKeyRead;
/** The row of a customer's key. */
type FoundCustomerKey = Omit<CustomerKeyRead, 'balance'> & {
  readonly balance: Omit<BalanceRead, 'available'> & {
    /** Null: something has become due, so it must be computed. */
    readonly available: bigint | null;
  };
};
type Found = FoundCustomerKey | OperatorKeyRead;

/** A statement that looks keys up, and the reader of its rows. */
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
  /** Gets the result; undefined: there is no such key. */
  readonly answer: (read: KeyRead | undefined) => void;
  readonly fail: (error: Error) => void;
  /** Whether the question was retried after its connection failed. */
  isRepeated: boolean;
}

export class KeyReads {
  readonly #database: PostgresDatabase;
  readonly #observer: LedgerObserver;
  #waiting: Question[] = [];
  #pipeline: Pipeline | undefined;
  #scheduled = false;
  /** Whether the sending loop runs. */
  #sending = false;
  #inFlight = 0;
  /** Runs while questions wait. */
  #expiry: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(database: PostgresDatabase, options: { observer: LedgerObserver }) {
    this.#database = database;
    this.#observer = options.observer;
  }

  /**
   * The customer's key with this SHA-256, in hex, valid or not; undefined: there is none. Rejects with
   * DatabaseUnavailable within 2 s.
   */
  customerKey(sha256: string): Promise<CustomerKeyRead | undefined> {
    return this.#ask<CustomerKeyRead>(CUSTOMER_KEYS, sha256);
  }

  /** The operator key with this SHA-256; undefined: there is none that is valid. */
  operatorKey(sha256: string): Promise<OperatorKeyRead | undefined> {
    return this.#ask<OperatorKeyRead>(OPERATOR_KEYS, sha256);
  }

  /** Closes the connection. Later questions fail. */
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

  /** Sends the batch at the end of this turn of the event loop, so that questions of this turn join it. */
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

  /** Handles a failed read: retries its questions once on a new connection, if that may help. */
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

  /** Computes the balances of accounts in which something due is not yet written. */
  async #answerDue(due: readonly DueQuestion[]): Promise<void> {
    try {
      const accounts = new Set(due.map(({ found }) => accountOf(found)));
      const states = await readCurrent(this.#database, [...accounts]);
      for (const { question, found } of due) {
        const state = states.get(accountOf(found));
        if (!state) throw new Error('an account has gone');
        const balance = { ...found.balance, available: state.posted - state.held };
        question.answer({ ...found, balance });
      }
    } catch (error) {
      for (const { question } of due) question.fail(error as Error);
    }
  }

  /** Fails the questions that waited too long because PostgreSQL is unreachable or silent. */
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

/** A question that its row answers only in part. */
interface DueQuestion {
  readonly question: Question;
  readonly found: FoundCustomerKey;
}

/** Whether a row answers its question completely. */
function isRead(found: Found): found is KeyRead {
  return found.balance?.available !== null;
}

function accountOf({ principal }: FoundCustomerKey): AccountId {
  return accountIdOf(principal.accountPublicId);
}

/** The questions of one look-up, the place of each hash in it, and its command. */
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
      isValid: row.is_valid,
      principal: {
        kind: 'customer',
        apiKeyId: row.id,
        keySecret: sha256,
        accountPublicId: row.public_id,
        accountStatus: row.status,
        scopes: row.scopes.split(','),
      },
      balance: { available: row.available, overdraftLimit: row.overdraft_limit },
    };
  },
};
const OPERATOR_KEYS: Lookup = {
  statement: sql.readOperatorKeysBySecret,
  foundIn: (found) => {
    const { id, scopes } = found as sql.OperatorKeyRow;
    return {
      principal: { kind: 'operator', operatorKeyId: id, scopes: scopes.split(',') },
      balance: null,
    };
  },
};
const LOOKUPS: readonly Lookup[] = [CUSTOMER_KEYS, OPERATOR_KEYS];
