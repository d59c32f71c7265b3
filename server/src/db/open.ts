import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import { startEmbedded } from './embedded.ts';
import { isMigrated, isRoleUsable, migrate } from './migrate.ts';
import { OperatorError } from './operator-error.ts';
import { PostgresDatabase } from './postgres.ts';

/** How long a start waits for the PostgreSQL of `DATABASE_URL`, which may be starting beside us. */
const WAIT_FOR_DATABASE_MS = 10_000;
const RETRY_MS = 250;
const CONNECT_TIMEOUT_MS = 3_000;

export interface OpenOptions {
  /** A PostgreSQL of the operator's own; undefined: the embedded one in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  /** What the process is: an embedded database has one server, and any number of commands. */
  readonly as: 'server' | 'command';
  readonly log: { info(message: string): void; warn(message: string): void };
  /** Breaks the opening off. */
  readonly signal: AbortSignal;
}

/** The database that a process works with, migrated and ready. */
export interface OpenDatabase {
  readonly database: PostgresDatabase;
  /** Whether this call made the embedded cluster. */
  readonly created: boolean;
  /** The migrations that this call applied. */
  readonly migrated: readonly string[];
  /** False where the restricted role could not be made: entries are then append-only by code alone. */
  readonly restricted: boolean;
  isReady(): Promise<{ database: boolean; migrations: boolean }>;
  /** Closes the connections, then leaves the embedded PostgreSQL, which stops with its last user. */
  close(): Promise<void>;
}

/**
 * Opens PostgreSQL, embedded or the operator's, and migrates it. Throws: OperatorError, or, where
 * `signal` breaks it off, anything; it has left PostgreSQL then.
 */
export async function openDatabase(options: OpenOptions): Promise<OpenDatabase> {
  const place =
    options.databaseUrl === undefined ? await openEmbedded(options) : openUrl(options.databaseUrl);
  try {
    await waitForPostgres(place.source, options);
    options.signal.throwIfAborted();
    const config = { ...place.source(), application_name: 'purser migrate' };
    const migrated = await migrate(config, options.log);
    const restricted = await withClient(place.source(), isRoleUsable);
    options.signal.throwIfAborted();
    const database = new PostgresDatabase({
      source: place.source,
      role: restricted ? 'purser_server' : null,
      log: options.log,
    });
    return {
      database,
      created: place.created,
      migrated,
      restricted,
      isReady: () => readiness(database),
      close: async () => {
        await database.close();
        await place.leave();
      },
    };
  } catch (error) {
    await place.leave();
    throw error;
  }
}

interface Place {
  readonly source: () => pg.ClientConfig;
  readonly created: boolean;
  leave(): Promise<void>;
}

async function openEmbedded({ dataDir, as, log, signal }: OpenOptions): Promise<Place> {
  const embedded = await startEmbedded({ dataDir, as, log, signal });
  return {
    source: () => embedded.connection(),
    created: embedded.created,
    leave: () => embedded.stop(),
  };
}

function openUrl(databaseUrl: string): Place {
  const config = parseIntoClientConfig(databaseUrl);
  return { source: () => config, created: false, leave: async () => {} };
}

/** Connects once, waiting for a server that starts; what is not a matter of time fails at once. */
async function waitForPostgres(
  source: () => pg.ClientConfig,
  { log, signal }: OpenOptions,
): Promise<void> {
  const giveUpAt = Date.now() + WAIT_FOR_DATABASE_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await withClient(source(), async () => {});
    } catch (error) {
      const { code } = error as { code?: string };
      const mayCome = code === undefined || /^(08|57|E[A-Z])/.test(code);
      if (!mayCome || Date.now() >= giveUpAt) throw unreachable(source(), error);
      if (attempt === 1) log.info('waiting for PostgreSQL');
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}

function unreachable(config: pg.ClientConfig, cause: unknown): OperatorError {
  const { message } = cause as Error;
  return new OperatorError(
    'Purser cannot connect to PostgreSQL.',
    `${config.user ?? ''}@${config.host ?? 'localhost'}:${config.port ?? 5432}/${config.database ?? ''}: ${message || String(cause)}`,
    'Check that PostgreSQL runs and that DATABASE_URL names its host, port, user, password and database; or unset DATABASE_URL to use the embedded one.',
    { cause },
  );
}

async function withClient<T>(
  config: pg.ClientConfig,
  use: (sql: Parameters<typeof isRoleUsable>[0]) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {});
  try {
    await client.connect();
    return await use({
      rows: async (statement, values = []) =>
        (await client.query({ text: statement.text, values: [...values] })).rows,
    });
  } finally {
    await client.end().catch(() => {});
  }
}

async function readiness(
  database: PostgresDatabase,
): Promise<{ database: boolean; migrations: boolean }> {
  try {
    return { database: true, migrations: await isMigrated(database) };
  } catch {
    return { database: false, migrations: false };
  }
}
