import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/connection/database.ts';
import { readNow } from './history/past.ts';
import { ROLL_UP_BOUNDS, rollUp } from './history/usage.ts';
import { CLOCK_TOLERANCE_MS } from './lane/clock.ts';
import type { Ledger } from './ledger.ts';
import type { AccountId } from './operations/ids.ts';
import * as sql from './sql/sweeper.ts';

/**
 * The work in the background. It books the due events of accounts without requests, and extends the rollup
 * from which usage and statements are read. Any number of nodes may sweep at once: the second one finds
 * nothing to do.
 */

/** The pause between turns, and the most accounts whose due events one turn books. */
const EVERY_MS = 1_000;
const MOST_ACCOUNTS = 200;

export class Sweeper {
  readonly #database: Database;
  readonly #ledger: Pick<Ledger, 'advance' | 'clock'>;
  readonly #log: { warn(details: object, message: string): void };
  readonly #stop = new AbortController();
  #sweeping: Promise<void> | undefined;
  /** The account after which the rollup continues. */
  #rolledUpTo: AccountId | null = null;
  #failing = false;

  constructor(
    database: Database,
    ledger: Pick<Ledger, 'advance' | 'clock'>,
    log: { warn(details: object, message: string): void },
  ) {
    this.#database = database;
    this.#ledger = ledger;
    this.#log = log;
  }

  /** Sweeps until `stop`. */
  start(): void {
    this.#sweeping ??= this.#run();
  }

  /** Finishes the present turn and starts no other. Call it before the ledger stops. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#sweeping;
  }

  /** One bounded turn. True: there is more to do at once. Rejects if PostgreSQL is unreachable. */
  async sweep(): Promise<boolean> {
    const moreIsDue = await this.#writeDue();
    const { after, operations } = await rollUp(this.#database, this.#rolledUpTo);
    this.#rolledUpTo = after;
    return moreIsDue || operations >= ROLL_UP_BOUNDS.mostOperations;
  }

  async #writeDue(): Promise<boolean> {
    const clock = await readNow(this.#database);
    this.#ledger.clock.saw({ clock, lastAt: Number.NEGATIVE_INFINITY });
    if (!this.#ledger.clock.isReliable) return false;
    const instants = [clock, clock + CLOCK_TOLERANCE_MS].map((at) => new Date(at).toISOString());
    const values = [...instants, MOST_ACCOUNTS];
    const due = await this.#database.rows<{ account_id: string }>(sql.dueAccounts, values);
    const advanced = due.map(({ account_id }) => this.#ledger.advance(account_id as AccountId));
    const outcomes = await Promise.all(advanced);
    const allDone = outcomes.every(({ kind }) => kind === 'done');
    return allDone && due.length === MOST_ACCOUNTS;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const more = await this.sweep().then(
        (found) => {
          this.#failing = false;
          return found;
        },
        (error: unknown) => {
          if (!this.#failing)
            this.#log.warn({ err: error }, 'the sweeper cannot work: it retries every second');
          this.#failing = true;
          return false;
        },
      );
      if (!more) await delay(EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }
}
