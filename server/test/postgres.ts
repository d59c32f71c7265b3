import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { PostgresDatabase } from '../src/db/connection/postgres.ts';
import { SERVING } from '../src/db/embedded/cluster.ts';
import { TEMPLATE } from './clusters.ts';

export interface TestDatabase {
  /** The URL for a server's `DATABASE_URL`. */
  readonly databaseUrl: string;
  /** The settings for a test's own client, which owns the tables. */
  readonly config: pg.ClientConfig;
  /** The settings for a server's login, which has its rights and no more. */
  readonly serving: pg.ClientConfig;
  /** The database as the server uses it. */
  readonly database: PostgresDatabase;
  /** Runs a statement as the owner of the tables. Resolves with its rows. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
}

/**
 * Makes a migrated database for this test file, and drops it at the end. Call it once, at the top
 * level.
 */
export function useDatabase(): TestDatabase {
  const { host, port, user } = inject('postgres');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const config = { host, port, user, database: name };
  const admin = { host, port, user, database: 'postgres' };
  const log = { warn: () => {} };
  const serving = { ...config, user: SERVING };
  const database = new PostgresDatabase({ source: () => serving, role: null, log });
  const owner = new pg.Pool({ ...config, max: 2 });
  owner.on('error', () => {});
  beforeAll(() => run(admin, `create database ${name} template ${TEMPLATE}`));
  afterAll(async () => {
    await database.close();
    await owner.end();
    await run(admin, `drop database ${name} with (force)`);
  });
  return {
    databaseUrl: `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`,
    config,
    serving,
    database,
    query: async (text, values = []) => (await owner.query(text, values)).rows,
  };
}

async function run(config: pg.ClientConfig, text: string): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  await client.query(text);
  await client.end();
}
