import type pg from 'pg';

/**
 * The contract between the domain and PostgreSQL; `PostgresDatabase` keeps it.
 */

/** A statement with a name: the server prepares it once a connection under that name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** How long its answer is waited for, where that is longer than for a request's statement. */
  readonly answerTimeoutMs?: number;
}

/** What runs statements: the pool, or one transaction of it. A transaction is passed, never ambient. */
export interface Sql {
  /** Rows as objects: bigint for int8, milliseconds for timestamptz. */
  rows<Row extends pg.QueryResultRow>(
    statement: Statement,
    values?: readonly unknown[],
  ): Promise<Row[]>;
}

export interface Database extends Sql {
  /**
   * Runs `work` in one read-committed transaction and commits it. Rolls back and rethrows what `work`
   * throws. A resolved promise means that PostgreSQL said COMMIT. If PostgreSQL has rolled back for a
   * reason that passes, `work` runs again from its beginning: it must change nothing but the database.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: TransactionOptions): Promise<T>;
}

export interface TransactionOptions {
  /** `work` cannot be run a second time: then DatabaseUnavailable is thrown instead. */
  readonly once?: boolean;
}

/**
 * PostgreSQL cannot be reached, or did not answer in time. Every statement of `Database` may throw it;
 * the wire answers 503 with `Retry-After`.
 */
export class DatabaseUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DatabaseUnavailable';
  }
}
