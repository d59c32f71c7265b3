import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import { OperatorError } from '../operator-error.ts';
import { expectOwnSession } from './connection/pooler.ts';
import { PostgresDatabase } from './connection/postgres.ts';
import { ReadOnly, type SessionFacts, setUpSession } from './connection/session.ts';
import { sqlStateOf } from './connection/sqlstate.ts';
import { SERVING } from './embedded/cluster.ts';
import { startEmbedded } from './embedded/embedded.ts';
import { asSql, MIGRATION_SETTINGS, migrateOn } from './migrate.ts';
import { READINESS_TIMEOUT_MS, Readiness, type Ready } from './readiness.ts';
import { type Standing, standingOf } from './rights.ts';

/** A start waits this long for a PostgreSQL that is starting too, or in a switch-over. */
const WAIT_FOR_DATABASE_MS = 10_000;
const RETRY_MS = 250;
const CONNECT_TIMEOUT_MS = 3_000;

export interface OpenOptions {
  /** The operator's PostgreSQL; undefined: the embedded one in `dataDir`. */
  readonly databaseUrl: string | undefined;
  /** The URL with the login that owns the tables, if that is not the login of `databaseUrl`. */
  readonly migrationUrl?: string | undefined;
  readonly dataDir: string;
  /** The kind of process: an embedded database has one server and any number of commands. */
  readonly as: 'server' | 'command';
  readonly log: { info(message: string): void; warn(message: string): void };
  /** Aborts the opening. */
  readonly signal: AbortSignal;
}

/** A migrated database, ready for use. */
export interface OpenDatabase {
  readonly database: PostgresDatabase;
  /** Whether this call made the embedded cluster. */
  readonly created: boolean;
  /** The migrations that this call applied. */
  readonly migrated: readonly string[];
  /** Missing protections against the server's own and other sessions, each with its cure. */
  readonly unprotected: readonly string[];
  isReady(): Promise<Ready>;
  /** Closes the connections, then leaves the embedded PostgreSQL; its last user stops it. */
  close(): Promise<void>;
}

/**
 * Opens PostgreSQL, embedded or the operator's, and migrates it. Throws OperatorError, or any error if
 * `signal` aborts it; PostgreSQL is left as it was found then.
 */
export async function openDatabase(options: OpenOptions): Promise<OpenDatabase> {
  const place =
    options.databaseUrl === undefined
      ? await openEmbedded(options)
      : openUrls(options.databaseUrl, options.migrationUrl);
  try {
    const { migrated, standing } = await prepare(place, options);
    options.signal.throwIfAborted();
    const { role, unprotected } = standing;
    const database = new PostgresDatabase({ source: place.serving, role, log: options.log });
    const readiness = new Readiness(() =>
      database.pipeline('purser readiness', {}, READINESS_TIMEOUT_MS),
    );
    return {
      database,
      created: place.created,
      migrated,
      unprotected,
      isReady: () => readiness.check(),
      close: async () => {
        await readiness.stop();
        await database.close();
        await place.leave();
      },
    };
  } catch (error) {
    await place.leave();
    throw error;
  }
}

/** The addresses of PostgreSQL for the server's login and for the owner of the tables. */
interface Place {
  readonly serving: () => pg.ClientConfig;
  readonly owner: () => pg.ClientConfig;
  readonly isEmbedded: boolean;
  readonly created: boolean;
  leave(): Promise<void>;
}

async function openEmbedded({ dataDir, as, log, signal }: OpenOptions): Promise<Place> {
  const embedded = await startEmbedded({ dataDir, as, log, signal });
  return {
    serving: () => ({ ...embedded.connection(), user: SERVING }),
    owner: () => embedded.connection(),
    isEmbedded: true,
    created: embedded.created,
    leave: () => embedded.stop(),
  };
}

function openUrls(databaseUrl: string, migrationUrl = databaseUrl): Place {
  const [serving, owner] = [databaseUrl, migrationUrl].map(parseIntoClientConfig);
  if (!serving || !owner) throw new Error('a URL has no configuration');
  return {
    serving: () => serving,
    owner: () => owner,
    isEmbedded: false,
    created: false,
    leave: async () => {},
  };
}

/** Migrates as the owner of the tables, then checks the rights of the server's login. */
async function prepare(
  place: Place,
  options: OpenOptions,
): Promise<{ migrated: string[]; standing: Standing }> {
  const login = new pg.Client(place.serving()).user;
  const asOwner = await visit(place, 'owner', options, async (client, facts) => ({
    migrated: await migrateOn(client, options.log, {
      login,
      isOurs: place.isEmbedded,
      isOnly: place.isEmbedded && options.as === 'server',
    }),
    facts,
  }));
  options.signal.throwIfAborted();
  const standing = await visit(place, 'serving', options, (client, facts) => {
    if (facts.place !== asOwner.facts.place) throw twoDatabases(facts, asOwner.facts);
    return standingOf(asSql(client));
  });
  return { migrated: asOwner.migrated, standing };
}

/**
 * Connects and runs `work`. Retries while PostgreSQL starts or takes no writes yet; other failures are
 * thrown at once.
 */
async function visit<T>(
  place: Place,
  who: 'owner' | 'serving',
  { log, signal }: OpenOptions,
  work: (client: pg.Client, facts: SessionFacts) => Promise<T>,
): Promise<T> {
  const giveUpAt = Date.now() + WAIT_FOR_DATABASE_MS;
  for (let attempt = 1; ; attempt += 1) {
    const config = { ...place[who](), application_name: 'purser start' };
    const client = new pg.Client({ ...config, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
    client.on('error', () => {});
    try {
      const facts = await enter(client, config).catch((error: unknown) => {
        if (!mayPass(place, error) || Date.now() >= giveUpAt) throw unreachable(config, error);
        if (attempt === 1) log.info('waiting for PostgreSQL');
        return null;
      });
      if (facts) return await work(client, facts);
    } catch (error) {
      throw (await isLost(client)) ? connectionLost(error) : error;
    } finally {
      await client.end().catch(() => {});
    }
    await delay(RETRY_MS, undefined, { signal });
  }
}

async function enter(client: pg.Client, config: pg.ClientConfig): Promise<SessionFacts> {
  await client.connect();
  const facts = await setUpSession(client, MIGRATION_SETTINGS, null);
  if (facts.isPooled) await expectOwnSession(client, config);
  return facts;
}

/** Whether the connection is lost. A refusal in a failed transaction shows that it is not. */
async function isLost(client: pg.Client): Promise<boolean> {
  return client.query('select').then(
    () => false,
    (error: unknown) => sqlStateOf(error) === undefined,
  );
}

function connectionLost(cause: unknown): OperatorError {
  if (cause instanceof OperatorError) return cause;
  return new OperatorError(
    'The connection to PostgreSQL was lost while Purser opened the database.',
    (cause as Error).message,
    'Start again: each migration is applied whole or not at all.',
    { cause },
  );
}

function mayPass({ isEmbedded }: Place, error: unknown): boolean {
  if (error instanceof OperatorError) return error instanceof ReadOnly;
  const { code } = error as { code?: string };
  // The embedded PostgreSQL may be about to reload its access rules (`Keeper.readAccessRules`).
  if (code === '28000') return isEmbedded;
  return code === undefined || /^(08|57|E[A-Z])/.test(code);
}

function unreachable(config: pg.ClientConfig, cause: unknown): OperatorError {
  if (cause instanceof OperatorError) return cause;
  const { message } = cause as Error;
  return new OperatorError(
    'Purser cannot connect to PostgreSQL.',
    `${config.user ?? ''}@${config.host ?? 'localhost'}:${config.port ?? 5432}/${config.database ?? ''}: ${message || String(cause)}`,
    'Check that PostgreSQL runs and that DATABASE_URL names its host, port, user, password and database; or unset DATABASE_URL to use the embedded one.',
    { cause },
  );
}

function twoDatabases(serving: SessionFacts, owner: SessionFacts): OperatorError {
  return new OperatorError(
    'DATABASE_URL and PURSER_MIGRATION_URL name two databases.',
    `They are ${serving.database} and ${owner.database}, or two databases of one name.`,
    'Let both name the same database of the same PostgreSQL, each with its own login.',
  );
}
