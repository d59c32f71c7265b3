import type pg from 'pg';

/** The domain's interface to PostgreSQL; `PostgresDatabase` implements it. */

/** A named statement, which PostgreSQL prepares once for each connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** The timeout of its answer, if that is longer than a request's. */
  readonly answerTimeoutMs?: number;
}

/** Runs statements: the pool, or one of its transactions. A transaction is an argument, never ambient. */
export interface Sql {
  /** Resolves with rows as objects: bigint for int8, milliseconds for timestamptz. */
  rows<Row extends pg.QueryResultRow>(
    statement: Statement,
    values?: readonly unknown[],
  ): Promise<Row[]>;
}

export interface Database extends Sql {
  /**
   * Runs `work` in one read-committed transaction and commits it. If `work` throws, it rolls back and
   * rethrows. A resolved promise means that PostgreSQL answered COMMIT. After a rollback for a transient
   * reason `work` runs again from its beginning: it must change nothing but the database.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: TransactionOptions): Promise<T>;
}

export interface TransactionOptions {
  /** Throws DatabaseUnavailable instead of running `work` a second time. */
  readonly once?: boolean;
}

/**
 * PostgreSQL is unreachable, or did not answer in time. Every statement may throw it; HTTP answers 503
 * with `Retry-After`.
 */
export class DatabaseUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DatabaseUnavailable';
  }
}
