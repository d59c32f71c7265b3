import pg from 'pg';
import {
  type Database,
  DatabaseUnavailable,
  type Sql,
  type Statement,
  type TransactionOptions,
} from './database.ts';
import { parameterOf } from './parameters.ts';
import { CONNECT_TIMEOUT_MS, Pipeline } from './pipeline.ts';
import { type Settings, setUpSession } from './session.ts';
import { faultOf, isRolledBack } from './sqlstate.ts';
import { typeParsers } from './types.ts';

/** Connections for everything that is not a lane or a batched read. */
const POOL_SIZE = 8;
/** How long a statement of the pool may take, and how long its caller waits for the answer. */
const STATEMENT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 11_000;

/** Beside those of every session. `lock_timeout` is above a dead node's `idle_in_transaction…`. */
const POOL_SETTINGS: Settings = {
  lock_timeout: '4s',
  statement_timeout: `${STATEMENT_TIMEOUT_MS}`,
  idle_in_transaction_session_timeout: '5s',
};
/** Times that something is run, by what stood against it before. */
const MOST_RUNS = { conflict: 3, connection: 2, wait: 1, statement: 1 };

export interface PostgresOptions {
  /** Where to connect now; asked for every new connection. */
  readonly source: () => pg.ClientConfig;
  /** The role that every session works under; null: the login's own. */
  readonly role: string | null;
  readonly log: { warn(message: string): void };
}

/** PostgreSQL behind the contract of `Database`: a pool, and pipelined connections for the lanes. */
export class PostgresDatabase implements Database {
  readonly #options: PostgresOptions;
  readonly #pool: pg.Pool;
  /** Raised when a connection turns out unfit: older ones may be so too, and are not used again. */
  #generation = 0;

  constructor(options: PostgresOptions) {
    this.#options = options;
    const config = () => this.#config('purser');
    const generation = () => this.#generation;
    this.#pool = new pg.Pool({
      // The pool makes its clients from this class, so that each asks anew where PostgreSQL is.
      Client: class extends PoolClient {
        constructor() {
          super(config(), generation());
        }
      } as typeof pg.Client,
      max: POOL_SIZE,
      connectionTimeoutMillis: 2 * CONNECT_TIMEOUT_MS,
      onConnect: (client: pg.ClientBase) => setUpSession(client, POOL_SETTINGS, options.role),
    } as pg.PoolConfig);
    this.#pool.on('error', () => options.log.warn('an idle connection to PostgreSQL was lost'));
  }

  async rows<Row extends pg.QueryResultRow>(
    statement: Statement,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    return this.#run((client) => rowsOf<Row>(client, statement, values));
  }

  async transaction<T>(
    work: (sql: Sql) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return this.#run(async (client) => {
      await client.query('begin').catch(unavailable);
      const result = await work({ rows: (statement, values) => rowsOf(client, statement, values) });
      const { command } = await client.query('commit').catch(unavailable);
      if (command !== 'COMMIT')
        throw new Error('a transaction with a failed statement was committed');
      return result;
    }, options);
  }

  /** A connection for batches, with the given settings on top of those that every session has. */
  pipeline(name: string, settings: Settings, answerTimeoutMs?: number): Promise<Pipeline> {
    const { query_timeout: _, ...config } = this.#config(name);
    const { role } = this.#options;
    return Pipeline.connect({
      config,
      settings,
      role,
      ...(answerTimeoutMs && { answerTimeoutMs }),
    });
  }

  /** Ends the pool's connections when their statements have ended. */
  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** Runs `work` on a connection of the pool; again if it certainly did nothing and may work now. */
  async #run<T>(
    work: (client: PoolClient) => Promise<T>,
    { once = false }: TransactionOptions = {},
  ): Promise<T> {
    for (let runs = 1; ; runs += 1) {
      const client = await this.#connection();
      try {
        const result = await work(client);
        client.release();
        return result;
      } catch (error) {
        // Anything else is the work's own to say, and final.
        const cause = error instanceof DatabaseUnavailable ? error.cause : undefined;
        const fault = cause === undefined ? 'statement' : faultOf(cause);
        const isUndone = isRolledBack(cause);
        if (fault === 'connection' && isUndone && client.generation === this.#generation) {
          this.#generation += 1;
        }
        client.release(fault === 'connection' || !(await isRolledBackOn(client)));
        if (once || !isUndone || runs >= MOST_RUNS[fault]) throw error;
      }
    }
  }

  async #connection(): Promise<PoolClient> {
    for (;;) {
      const client = (await this.#pool.connect().catch(noConnection)) as PoolClient;
      if (client.generation === this.#generation) return client;
      client.release(true);
    }
  }

  #config(name: string): pg.ClientConfig {
    return {
      ...this.#options.source(),
      application_name: name,
      types: typeParsers,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    };
  }
}

/** A client of the pool. */
class PoolClient extends pg.Client {
  readonly generation: number;
  declare release: pg.PoolClient['release'];

  constructor(config: pg.ClientConfig, generation: number) {
    super(config);
    this.generation = generation;
    // A client that is taken from the pool has no other listener, and its loss would end the process.
    // Whoever uses it learns of it by the statement that fails.
    this.on('error', () => {});
  }
}

/** Whether the connection is outside of a transaction, if need be after a rollback. */
async function isRolledBackOn(client: PoolClient): Promise<boolean> {
  if (client.getTransactionStatus() === 'I') return true;
  return client.query('rollback').then(
    () => true,
    () => false,
  );
}

async function rowsOf<Row extends pg.QueryResultRow>(
  on: PoolClient,
  statement: Statement,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const { name, text, answerTimeoutMs } = statement;
  const query = {
    name,
    text,
    values: values.map(parameterOf),
    ...(answerTimeoutMs && { query_timeout: answerTimeoutMs }),
  };
  const result = await on.query<Row>(query).catch(unavailable);
  return result.rows;
}

function noConnection(cause: unknown): never {
  throw new DatabaseUnavailable('PostgreSQL gives no session to work in', { cause });
}

/** Passes on what is a statement's own fault; anything else means that PostgreSQL is not available now. */
function unavailable(error: unknown): never {
  if (faultOf(error) === 'statement') throw error;
  throw new DatabaseUnavailable('PostgreSQL is not available', { cause: error });
}
