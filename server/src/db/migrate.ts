import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { OperatorError } from '../operator-error.ts';
import type { Sql } from './connection/database.ts';
import type { Settings } from './connection/session.ts';
import { closeToPublic, setRights } from './rights.ts';
import * as sql from './sql.ts';

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));
const OLDEST_POSTGRESQL = 150_000;

/** No timeouts: a migration may be long, and may wait for locks. */
export const MIGRATION_SETTINGS: Settings = {
  lock_timeout: '0',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
};

export interface MigrateOptions {
  /** The server's login; undefined: that of the connection. */
  readonly login?: string | undefined;
  /** Whether the database is Purser's alone, even if it is not empty. */
  readonly isOurs?: boolean;
  /** Whether no server of another release runs beside this process. */
  readonly isOnly?: boolean;
}

/**
 * Applies this release's migrations and sets the rights of the server, as the owner of the tables. Any
 * number of processes may call it at once: an advisory lock serializes them. Returns the names of the
 * migrations that this call applied. Throws OperatorError for a PostgreSQL before 15, a database of a
 * newer Purser, and a login that may not migrate.
 */
export async function migrate(
  config: pg.ClientConfig,
  log: { info(message: string): void; warn(message: string): void },
  options: MigrateOptions = {},
): Promise<string[]> {
  const client = new pg.Client(config);
  client.on('error', () => {});
  await client.connect();
  try {
    return await migrateOn(client, log, options);
  } finally {
    await client.end();
  }
}

/** `migrate` on a session that was set up with `MIGRATION_SETTINGS`. */
export async function migrateOn(
  client: pg.Client,
  log: { info(message: string): void; warn(message: string): void },
  { login, isOurs = false, isOnly = false }: MigrateOptions,
): Promise<string[]> {
  const on = asSql(client);
  await requireVersion(on);
  const known = await readApplied(on);
  refuseNewer(known);
  const isAlone = isOurs || (known.length === 0 && (await isEmpty(on)));
  const isUpToDate = isThisRelease(known);
  if (!isUpToDate) await requireOwner(on);
  const applied = isUpToDate ? [] : await runMigrations(client, log);
  const server = login ?? client.user ?? '';
  await client.query('begin');
  await setRights(on, server);
  if (isAlone) await closeToPublic(on, server);
  if (isOnly) await on.rows(sql.dropRoleBefore);
  await client.query('commit');
  return applied;
}

async function requireOwner(on: Sql): Promise<void> {
  const [row] = await on.rows<{ may: boolean; login: string }>(sql.mayMigrate);
  if (row?.may) return;
  throw new OperatorError(
    'The database must be migrated, and this login may not do it.',
    `${row?.login} neither owns the tables nor may make them.`,
    'Set PURSER_MIGRATION_URL to a login that does, here or for one run of `purser migrate`.',
  );
}

/** Throws OperatorError if a newer release has migrated the database. */
function refuseNewer(applied: readonly string[]): void {
  const ours = new Set(migrationNames());
  const newer = applied.filter((name) => !ours.has(name));
  if (newer.length === 0) return;
  throw new OperatorError(
    'The database was migrated by a newer release of Purser.',
    `It has ${newer.join(', ')}, which this release does not know.`,
    'Start the newer release. A server that runs already goes on beside it; one that starts must not be older than the database.',
  );
}

/** Whether every migration of this release was applied. A newer release may have added more. */
export function isThisRelease(applied: readonly string[]): boolean {
  const names = new Set(applied);
  return migrationNames().every((name) => names.has(name));
}

async function readApplied(on: Sql): Promise<string[]> {
  const [table] = await on.rows<{ exists: boolean }>(sql.migrationsTable);
  if (!table?.exists) return [];
  const applied = await on.rows<{ name: string }>(sql.appliedMigrations);
  return applied.map(({ name }) => name);
}

async function isEmpty(on: Sql): Promise<boolean> {
  const [row] = await on.rows<{ is_empty: boolean }>(sql.isEmpty);
  return row?.is_empty ?? false;
}

/** The names of this release's migrations, in order. */
export function migrationNames(): string[] {
  return readdirSync(MIGRATIONS)
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort();
}

async function requireVersion(on: Sql): Promise<void> {
  const [row] = await on.rows<{ version: number }>(sql.serverVersion);
  if (!row || row.version >= OLDEST_POSTGRESQL) return;
  throw new OperatorError(
    'This PostgreSQL is too old.',
    `It is version ${Math.floor(row.version / 10_000)}; Purser needs 15 or newer.`,
    'Upgrade PostgreSQL, or unset DATABASE_URL to use the embedded one.',
  );
}

async function runMigrations(
  client: pg.Client,
  log: { info(message: string): void; warn(message: string): void },
): Promise<string[]> {
  // Imported only if there is something to migrate, so that commands start faster.
  const { runner } = await import('node-pg-migrate');
  const ran = await runner({
    dbClient: client,
    dir: MIGRATIONS,
    migrationsTable: 'purser_migrations',
    direction: 'up',
    advisoryLockMode: 'wait',
    logger: { info: () => {}, warn: (text) => log.warn(text), error: (text) => log.warn(text) },
  });
  const names = ran.map(({ name }) => name);
  for (const name of names) log.info(`applied migration ${name}`);
  return names;
}

/** Statements over a single connection. */
export function asSql(client: pg.Client): Sql {
  return {
    rows: async (statement, values = []) => {
      const { rows } = await client.query({ text: statement.text, values: [...values] });
      return rows;
    },
  };
}
