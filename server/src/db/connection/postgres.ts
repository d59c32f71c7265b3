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

/** Connections for all work but the lane's and the batched reads'. */
const POOL_SIZE = 8;
/** Timeouts of a statement of the pool: PostgreSQL's, and its caller's for the answer. */
const STATEMENT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 11_000;

/** Settings besides every session's. `lock_timeout` exceeds the idle timeout of a dead node's transaction. */
const POOL_SETTINGS: Settings = {
  lock_timeout: '4s',
  statement_timeout: `${STATEMENT_TIMEOUT_MS}`,
  idle_in_transaction_session_timeout: '5s',
};
/** The most runs of one piece of work, by the fault of the last run. */
const MOST_RUNS = { conflict: 3, connection: 2, wait: 1, statement: 1 };

export interface PostgresOptions {
  /** The server to connect to at this moment; called for every new connection. */
  readonly source: () => pg.ClientConfig;
  /** The role of every session; null: the login. */
  readonly role: string | null;
  readonly log: { warn(message: string): void };
}

/** PostgreSQL as a `Database`: a pool, and pipelined connections for the lane and the batched reads. */
export class PostgresDatabase implements Database {
  readonly #options: PostgresOptions;
  readonly #pool: pg.Pool;
  /** Grows when a connection is unfit; connections of older generations are not used again. */
  #generation = 0;

  constructor(options: PostgresOptions) {
    this.#options = options;
    const config = () => this.#config('purser');
    const generation = () => this.#generation;
    this.#pool = new pg.Pool({
      // The pool makes its clients from this class, so that each calls `source`.
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

  /** A connection for batches, with settings besides those of every session. */
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

  /** Closes the pool's connections after their statements have ended. */
  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** Runs `work` on a connection of the pool. Retries it if it certainly did nothing and may now succeed. */
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
        // Other errors are the work's own results, and final.
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
    // A client that is checked out has no other listener, and an unheard error would end the process.
    // Its user gets the error from the statement that fails.
    this.on('error', () => {});
  }
}

/** Whether the connection is outside a transaction, after a rollback if one is open. */
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

/** Rethrows a statement's own fault; throws DatabaseUnavailable for any other error. */
function unavailable(error: unknown): never {
  if (faultOf(error) === 'statement') throw error;
  throw new DatabaseUnavailable('PostgreSQL is not available', { cause: error });
}
