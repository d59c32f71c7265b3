import type { Database } from '../../db/connection/database.ts';
import type { AccountId } from '../../ledger/operations/ids.ts';
import * as sql from './sql.ts';

const FLUSH_EVERY_MS = 200;
/** Endings in one statement, and endings that may wait. */
const MOST_AT_ONCE = 5_000;
const CAPACITY = 100_000;

interface CallEnding {
  readonly account: AccountId;
  /** Of the charge or hold that began the call's payment. */
  readonly number: bigint;
  readonly at: number;
  readonly ending: string;
  readonly status: number | null;
}

/**
 * How calls ended: kept in memory for a moment and written behind, many in one statement. Of a call
 * whose ending was not written the receipt says that it is unknown; no amount depends on it.
 */
export class CallEndings {
  readonly #database: Database;
  readonly #log: { warn(details: object, message: string): void };
  readonly #timer: NodeJS.Timeout;
  #waiting: CallEnding[] = [];
  #flushing: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(database: Database, log: { warn(details: object, message: string): void }) {
    this.#database = database;
    this.#log = log;
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY_MS).unref();
  }

  /** Notes an ending. Never fails. */
  add(ending: CallEnding): void {
    if (this.#waiting.length < CAPACITY) this.#waiting.push(ending);
  }

  /** Writes a last time. Call it when no call is under way any more, before the database closes. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush();
  }

  #flush(): Promise<void> {
    if (this.#waiting.length > 0) this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const endings = this.#waiting.splice(0, MOST_AT_ONCE);
      try {
        await this.#database.rows(sql.writeEndings, [
          endings.map(({ account }) => account),
          endings.map(({ number }) => number),
          endings.map(({ at }) => new Date(at).toISOString()),
          endings.map(({ ending }) => ending),
          endings.map(({ status }) => status),
        ]);
        this.#failing = false;
      } catch (error) {
        this.#waiting = [...endings, ...this.#waiting].slice(0, CAPACITY);
        if (!this.#failing)
          this.#log.warn({ err: error }, 'the endings of calls wait to be written');
        this.#failing = true;
        return;
      }
    }
  }
}
