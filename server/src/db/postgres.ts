import pg from 'pg';
import { type Database, DatabaseUnavailable, type Sql, type Statement } from './database.ts';
import { parameterOf } from './parameters.ts';
import { CONNECT_TIMEOUT_MS, Pipeline } from './pipeline.ts';
import { typeParsers } from './types.ts';

/** Connections for everything that is not a lane or a batched read. */
const POOL_SIZE = 8;
/** How long a statement of the pool may take, and how long its caller waits for the answer. */
const STATEMENT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 11_000;

/** Settings of every session of ours. `lock_timeout` is above a dead node's `idle_in_transaction…`. */
const SESSION = {
  TimeZone: 'UTC',
  synchronous_commit: 'on',
  lock_timeout: '4s',
  statement_timeout: `${STATEMENT_TIMEOUT_MS}`,
  idle_in_transaction_session_timeout: '5s',
  jit: 'off',
};

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

  constructor(options: PostgresOptions) {
    this.#options = options;
    const config = () => this.#config('purser', SESSION);
    // The pool makes its clients from this class, so that each asks anew where PostgreSQL is.
    const Client = class extends pg.Client {
      constructor() {
        super(config());
      }
    };
    this.#pool = new pg.Pool({
      Client: Client as typeof pg.Client,
      max: POOL_SIZE,
      connectionTimeoutMillis: 2 * CONNECT_TIMEOUT_MS,
    } as pg.PoolConfig);
    this.#pool.on('error', () => options.log.warn('an idle connection to PostgreSQL was lost'));
  }

  async rows<Row extends pg.QueryResultRow>(
    statement: Statement,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    return rowsOf<Row>(this.#pool, statement, values);
  }

  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch(unavailable);
    let broken = true;
    try {
      await client.query('begin').catch(unavailable);
      const result = await work({ rows: (statement, values) => rowsOf(client, statement, values) });
      const { command } = await client.query('commit').catch(unavailable);
      if (command !== 'COMMIT')
        throw new Error('a transaction with a failed statement was committed');
      broken = false;
      return result;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) {
        broken = !(await client.query('rollback').then(
          () => true,
          () => false,
        ));
      }
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** A connection for batches, with the given settings on top of those that every session has. */
  pipeline(
    name: string,
    settings: Readonly<Record<string, string>>,
    answerTimeoutMs?: number,
  ): Promise<Pipeline> {
    const { query_timeout: _, ...config } = this.#config(name, { ...SESSION, ...settings });
    return Pipeline.connect({ config, ...(answerTimeoutMs && { answerTimeoutMs }) });
  }

  /** Ends the pool's connections when their statements have ended. */
  async close(): Promise<void> {
    await this.#pool.end();
  }

  #config(name: string, settings: Readonly<Record<string, string>>): pg.ClientConfig {
    const base = this.#options.source();
    return {
      ...base,
      application_name: name,
      types: typeParsers,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      options: [base.options, sessionOptions(this.#settings(settings))].filter(Boolean).join(' '),
    };
  }

  #settings(settings: Readonly<Record<string, string>>): Record<string, string> {
    return this.#options.role === null
      ? { ...settings }
      : { ...settings, role: this.#options.role };
  }
}

/** Session settings in the form of PostgreSQL's startup parameter `options`. */
function sessionOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/([\\ ])/g, '\\$1')}`)
    .join(' ');
}

async function rowsOf<Row extends pg.QueryResultRow>(
  on: pg.Pool | pg.PoolClient,
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

/**
 * Tells PostgreSQL being away (no SQLSTATE, or one of its classes for it) from a statement that failed.
 * Lock and statement timeouts count as away too: the caller can only try again.
 */
function unavailable(error: unknown): never {
  const code = (error as { code?: unknown }).code;
  const isSqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code);
  if (isSqlState && !/^(08|53|57|58|25P03|55P03)/.test(code)) throw error;
  throw new DatabaseUnavailable('PostgreSQL is not available', { cause: error });
}
