import type { Pipeline } from './connection/pipeline.ts';
import { isThisRelease } from './migrate.ts';
import * as sql from './sql.ts';

/** How long an answer is given again: a flood of questions costs PostgreSQL one a second. */
const KEEP_MS = 1_000;
/** How long PostgreSQL may take to answer. */
export const READINESS_TIMEOUT_MS = 1_000;

/** Whether this node can work now. */
export interface Ready {
  /** PostgreSQL answers and takes writes. */
  readonly database: boolean;
  /** Every migration of this release has been applied. */
  readonly migrations: boolean;
}

const NOT_READY: Ready = { database: false, migrations: false };

/**
 * Whether the node is ready, asked over a connection of its own, so that a busy pool does not make it
 * look unready. Questions that come within a second get one answer.
 */
export class Readiness {
  readonly #connect: () => Promise<Pipeline>;
  #pipeline: Promise<Pipeline> | undefined;
  #answer: Promise<Ready> = Promise.resolve(NOT_READY);
  /** Until when the answer is given again, by the monotonic clock; Infinity while it is not there yet. */
  #goodUntil = 0;
  #stopping = false;

  constructor(connect: () => Promise<Pipeline>) {
    this.#connect = connect;
  }

  /** Never rejects. */
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

  /** Closes the connection; from now on nothing is ready. */
  async stop(): Promise<void> {
    this.#stopping = true;
    (await this.#pipeline?.catch(() => undefined))?.close();
  }

  async #ask(): Promise<Ready> {
    const pipeline = await this.#connected();
    const [result] = await pipeline.flush([[sql.readReadiness]]);
    if (!result?.ok) throw result?.error ?? new Error('PostgreSQL gave no answer');
    const [row] = result.rows as sql.ReadinessRow[];
    // A connection of a standby or of a read-only moment is not kept: the next one may be elsewhere.
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
