import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { PostgresDatabase } from '../src/db/connection/postgres.ts';
import { SERVING } from '../src/db/embedded/cluster.ts';
import { TEMPLATE } from './clusters.ts';

export interface TestDatabase {
  /** As the server would be given it. */
  readonly databaseUrl: string;
  /** How a client of the test's own connects, as the owner of the tables. */
  readonly config: pg.ClientConfig;
  /** How the server connects: as a login that has its rights and no more. */
  readonly serving: pg.ClientConfig;
  /** As the server uses it. */
  readonly database: PostgresDatabase;
  /** A statement of the test's own, as the owner of the tables. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
}

/** A database of this test file's own, migrated, dropped at the end. Call it once, at the top level. */
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
