import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { SERVING } from '../src/db/embedded/cluster.ts';
import { startEmbedded } from '../src/db/embedded/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { DEBIAN_POSTGRESQL_15, TEMPLATE } from './clusters.ts';

/** The address of the project's PostgreSQL, for tests: `inject('postgres')`. */
export interface TestPostgres {
  host: string;
  port: number;
  user: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: TestPostgres;
    /** The major version of the project's PostgreSQL. */
    major: 15 | 18;
  }
}

const quiet = { info: () => {}, warn: () => {} };

/** Starts one real PostgreSQL for each project: the embedded 18, or Debian's 15. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const is15 = project.name === 'postgresql-15';
  const dataDir = mkdtempSync(join(tmpdir(), 'purser-test-'));
  const postgres = await startEmbedded({
    dataDir,
    as: 'command',
    log: quiet,
    // Several files have servers on it at the same time.
    maxConnections: 300,
    ...(is15 && { binDir: DEBIAN_POSTGRESQL_15 }),
  });
  const { host, port, user, database } = postgres.connection();
  await run({ host, port, user, database }, `create database ${TEMPLATE}`);
  const template = { host, port, user, database: TEMPLATE };
  await migrate(template, quiet, { login: SERVING, isOurs: true });
  await trustLogins(postgres.connection());
  project.provide('postgres', { host, port, user });
  project.provide('major', is15 ? 15 : 18);
  return async () => {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}

async function run(config: pg.ClientConfig, text: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client(config);
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}

/**
 * Accepts the logins that tests make, without passwords. Only this user can open the socket's
 * folder.
 */
async function trustLogins(config: pg.ClientConfig): Promise<void> {
  const [row] = await run(config, "select current_setting('hba_file') as file");
  appendFileSync(row?.['file'], 'local all all trust\n');
  await run(config, 'select pg_reload_conf()');
}
