import type { Database } from '../db/connection/database.ts';
import type { Principal } from './principal.ts';
import * as sql from './sql/key-uses.ts';

const FLUSH_EVERY_MS = 5_000;
/** Keys remembered between two flushes; beyond it, new ones wait for the next flush. */
const MOST_KEYS = 100_000;

/**
 * When each key was last used: kept in memory and written behind, many keys in one statement, so that
 * no request waits for it. What a killed process had not written is lost, and nothing but
 * `last_used_at` depends on it.
 */
export class KeyUses {
  readonly #database: Database;
  readonly #log: { warn(bindings: object, message: string): void };
  readonly #timer: NodeJS.Timeout;
  #customer = new Map<string, number>();
  #operator = new Map<string, number>();
  #flushing: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(database: Database, log: { warn(bindings: object, message: string): void }) {
    this.#database = database;
    this.#log = log;
    this.#timer = setInterval(() => void this.flush(), FLUSH_EVERY_MS).unref();
  }

  /** Notes a use now. Never fails. */
  readonly used = (kind: Principal['kind'], id: string): void => {
    const uses = kind === 'customer' ? this.#customer : this.#operator;
    if (uses.size < MOST_KEYS || uses.has(id)) uses.set(id, Date.now());
  };

  /** Writes what was noted. Never rejects: what cannot be written is kept for the next time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  /** Writes a last time. Call it when no request can come any more, before the database closes. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  async #write(): Promise<void> {
    const customer = this.#customer;
    const operator = this.#operator;
    this.#customer = new Map();
    this.#operator = new Map();
    try {
      await record(this.#database, sql.recordApiKeyUses, customer);
      customer.clear();
      await record(this.#database, sql.recordOperatorKeyUses, operator);
      this.#failing = false;
    } catch (error) {
      this.#customer = merged(customer, this.#customer);
      this.#operator = merged(operator, this.#operator);
      if (!this.#failing)
        this.#log.warn({ err: error }, 'the last uses of keys wait to be written');
      this.#failing = true;
    }
  }
}

async function record(
  database: Database,
  statement: typeof sql.recordApiKeyUses,
  uses: ReadonlyMap<string, number>,
): Promise<void> {
  if (uses.size === 0) return;
  const instants = Array.from(uses.values(), (at) => new Date(at).toISOString());
  await database.rows(statement, [[...uses.keys()], instants]);
}

function merged(older: ReadonlyMap<string, number>, newer: ReadonlyMap<string, number>) {
  return new Map([...older, ...newer]);
}
