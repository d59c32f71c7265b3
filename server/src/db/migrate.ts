import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Sql } from './database.ts';
import { OperatorError } from './operator-error.ts';
import * as sql from './sql.ts';

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));
const OLDEST_POSTGRESQL = 150_000;

/**
 * Brings the database to this release's schema and sets the rights of the role that the server works
 * under. Any number of processes may call it at once: an advisory lock lets one work at a time.
 * Returns the names of the migrations that this call applied.
 * Throws OperatorError for a PostgreSQL before 15 and for a database of a newer Purser.
 */
export async function migrate(
  config: pg.ClientConfig,
  log: { info(message: string): void; warn(message: string): void },
): Promise<string[]> {
  const client = new pg.Client(config);
  client.on('error', () => {});
  await client.connect();
  try {
    await requireVersion(asSql(client));
    const applied = (await isMigrated(asSql(client))) ? [] : await runMigrations(client, log);
    if (applied.length > 0 || !(await isRoleUsable(asSql(client)))) await setRights(client);
    return applied;
  } finally {
    await client.end();
  }
}

/** Whether every migration of this release has been applied. */
export async function isMigrated(on: Sql): Promise<boolean> {
  const [table] = await on.rows<{ exists: boolean }>(sql.migrationsTable);
  if (!table?.exists) return false;
  const applied = await on.rows<{ name: string }>(sql.appliedMigrations);
  const names = new Set(applied.map(({ name }) => name));
  return migrationNames().every((name) => names.has(name));
}

/** Whether the role `purser_server` exists here, may be taken, and has its rights. */
export async function isRoleUsable(on: Sql): Promise<boolean> {
  const [row] = await on.rows<{ usable: boolean }>(sql.roleUsable);
  return row?.usable ?? false;
}

/** The names of this release's migrations, in their order. */
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
  // Loaded only when there is something to migrate: commands start faster without it.
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

async function setRights(client: pg.Client): Promise<void> {
  await client.query('begin');
  await client.query(sql.lockRights.text);
  await client.query(sql.makeRole.text);
  await client.query(sql.setRights.text);
  await client.query('commit');
}

function asSql(client: pg.Client): Sql {
  return {
    rows: async (statement, values = []) => {
      const { rows } = await client.query({ text: statement.text, values: [...values] });
      return rows;
    },
  };
}
