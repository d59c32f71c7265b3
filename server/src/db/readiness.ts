import type { Pipeline } from './connection/pipeline.ts';
import { isThisRelease } from './migrate.ts';
import * as sql from './sql.ts';

/** An answer is reused for this long, so that a flood of checks costs PostgreSQL one a second. */
const KEEP_MS = 1_000;
/** The timeout of PostgreSQL's answer. */
export const READINESS_TIMEOUT_MS = 1_000;

/** Whether this node can serve requests now. */
export interface Ready {
  /** Whether PostgreSQL answers and takes writes. */
  readonly database: boolean;
  /** Whether every migration of this release has been applied. */
  readonly migrations: boolean;
}

const NOT_READY: Ready = { database: false, migrations: false };

/**
 * Checks the node's readiness over a connection of its own, so that a busy pool does not make it look
 * unready. Checks within one second share an answer.
 */
export class Readiness {
  readonly #connect: () => Promise<Pipeline>;
  #pipeline: Promise<Pipeline> | undefined;
  #answer: Promise<Ready> = Promise.resolve(NOT_READY);
  /** The end of the answer's reuse, by the monotonic clock; Infinity while the check runs. */
  #goodUntil = 0;
  #stopping = false;

  constructor(connect: () => Promise<Pipeline>) {
    this.#connect = connect;
  }

  /** Checks the database. Never rejects. */
  check(): Promise<Ready> {
    if (performance.now() >= this.#goodUntil) {
      this.#goodUntil = Number.POSITIVE_INFINITY;
      this.#answer = this.#ask()
        .catch(() => NOT_READY)
        .finally(() => {
          this.#goodUntil = performance.now() + KEEP_MS;
        });
    }
    return this.#answer;
  }

  /** Closes the connection. Later checks answer unready. */
  async stop(): Promise<void> {
    this.#stopping = true;
    (await this.#pipeline?.catch(() => undefined))?.close();
  }

  async #ask(): Promise<Ready> {
    const pipeline = await this.#connected();
    const [result] = await pipeline.flush([[sql.readReadiness]]);
    if (!result?.ok) throw result?.error ?? new Error('PostgreSQL gave no answer');
    const [row] = result.rows as sql.ReadinessRow[];
    // A new connection may lead to another server, so one that is read-only is not kept.
    if (!row?.is_writable) pipeline.close();
    return {
      database: row?.is_writable ?? false,
      migrations: isThisRelease(row?.migrations ?? []),
    };
  }

  async #connected(): Promise<Pipeline> {
    if (this.#stopping) throw new Error('stopping');
    const known = await this.#pipeline?.catch(() => undefined);
    if (known && !known.lost) return known;
    this.#pipeline = this.#connect();
    return this.#pipeline;
  }
}
