import pg from 'pg';
import { DatabaseUnavailable, type Statement } from './database.ts';
import { type Command, type CommandResult, Flush, type PreparedStatements } from './flush.ts';
import { type Settings, setUpSession } from './session.ts';
import { isRolledBack } from './sqlstate.ts';

/** A connection that does not answer for this long is lost. It is above every timeout of the server. */
const ANSWER_TIMEOUT_MS = 6_000;
/**
 * The plans of prepared statements are kept for this long. A plan that was made for empty tables may
 * scan a whole table, and only new statistics would end it: those come late.
 */
const REPLAN_EVERY_MS = 10_000;
const DISCARD_PLANS: Statement = { name: 'discard_plans', text: 'discard plans' };
/**
 * If a node stops in the middle of a flush, PostgreSQL waits for the rest and keeps the locks. No
 * statement runs, and the session is not idle. From PostgreSQL 17 on, this ends such a transaction.
 */
const BOUND_TRANSACTIONS: Settings = { transaction_timeout: '7s' };
/** The longest time that connecting may take. */
export const CONNECT_TIMEOUT_MS = 1_000;

export interface PipelineOptions {
  /** The server, the database and the login. */
  readonly config: pg.ClientConfig;
  readonly settings: Settings;
  /** The role that the session works under; null: the login's own. */
  readonly role: string | null;
  /** At most `ANSWER_TIMEOUT_MS`, the default. */
  readonly answerTimeoutMs?: number;
}

/**
 * One connection to PostgreSQL that sends several commands in one flush and reads their answers in
 * order. It is never repaired: once `lost`, make a new one.
 */
export class Pipeline {
  readonly #client: pg.Client;
  readonly #answerTimeoutMs: number;
  readonly #prepared: PreparedStatements = new Map();
  #lost = false;
  #plannedAt = performance.now();

  private constructor(client: pg.Client, answerTimeoutMs: number) {
    this.#client = client;
    this.#answerTimeoutMs = answerTimeoutMs;
    client.on('error', () => this.#lose());
    client.on('end', () => this.#lose());
  }

  /** Connects within `CONNECT_TIMEOUT_MS` and sets the session up; rejects with DatabaseUnavailable. */
  static async connect(options: PipelineOptions): Promise<Pipeline> {
    const { config, settings, role, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
    const client = new pg.Client({ ...config, pipeline: true });
    const pipeline = new Pipeline(client, answerTimeoutMs);
    try {
      await client.connect();
      await setUpSession(client, { ...settings, ...BOUND_TRANSACTIONS }, role);
    } catch (error) {
      pipeline.close();
      throw new DatabaseUnavailable('PostgreSQL gives no session to work in', { cause: error });
    }
    return pipeline;
  }

  /** Whether the connection has ended or missed its time to answer; it stays so. */
  get lost(): boolean {
    return this.#lost;
  }

  /**
   * Sends the commands in one write and resolves with one result each, in order; never rejects.
   * A missing answer loses the connection, and every command without one is `ok: false`.
   */
  async flush(commands: readonly Command[]): Promise<CommandResult[]> {
    const timer = setTimeout(() => this.close(), this.#answerTimeoutMs);
    const { stream } = (this.#client as unknown as ClientInside).connection;
    stream.cork();
    this.#replan();
    const answered = new Promise<CommandResult[]>((resolve) => {
      this.#client.query(new Flush(commands, this.#prepared, resolve) as unknown as pg.Submittable);
    });
    stream.uncork();
    const results = await answered;
    clearTimeout(timer);
    // PostgreSQL has ended the session; the socket reports it only a moment later.
    if (results.some((result) => !result.ok && !isRolledBack(result.error))) this.close();
    return results;
  }

  #replan(): void {
    const now = performance.now();
    if (now - this.#plannedAt < REPLAN_EVERY_MS) return;
    this.#plannedAt = now;
    this.#client.query({ ...DISCARD_PLANS }).catch(() => {});
  }

  /** Ends the connection at once; commands under way end without an answer. */
  close(): void {
    this.#lose();
    (this.#client as unknown as ClientInside).connection.stream.destroy();
  }

  #lose(): void {
    this.#lost = true;
  }
}

/** The parts of pg's client that it does not publish: the socket, to send a flush as one write. */
interface ClientInside {
  readonly connection: {
    readonly stream: { cork(): void; uncork(): void; destroy(): void };
  };
}
