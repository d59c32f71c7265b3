import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { type OpenDatabase, openDatabase } from '../../src/db/open.ts';
import { cleanUpAfterEach, joinHere, sql, useClusters } from './processes.ts';

/** The server's login in the embedded PostgreSQL, also in a cluster of the previous release. */

cleanUpAfterEach();
const newCluster = useClusters();
const log = { info: () => {}, warn: () => {} };
const opened: OpenDatabase[] = [];
// Closes the databases before `cleanUpAfterEach` expects PostgreSQL to have stopped.
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function open(dataDir: string, as: 'server' | 'command'): Promise<OpenDatabase> {
  const { signal } = new AbortController();
  const one = await openDatabase({ databaseUrl: undefined, dataDir, as, log, signal });
  opened.push(one);
  return one;
}

const WHO = { name: '', text: 'select session_user::text as login, current_user::text as role' };
const SERVING = [{ login: 'purser_serving', role: 'purser_serving' }];

test('sessions of the server have a login that can never change an entry', async () => {
  const one = await open(newCluster(), 'server');
  expect(await one.database.rows(WHO)).toEqual(SERVING);
  for (const first of [
    'select',
    'reset role',
    'set role none',
    'set session authorization default',
  ]) {
    const change = one.database.transaction(async (tx) => {
      await tx.rows({ name: '', text: first });
      await tx.rows({ name: '', text: 'update entries set amount = amount' });
    });
    await expect(change, first).rejects.toMatchObject({ cause: { code: '42501' } });
  }
  const become = one.database.rows({ name: '', text: 'set role purser_owner' });
  await expect(become).rejects.toMatchObject({ cause: { code: '42501' } });
  expect(one.unprotected).toEqual([]);
});

test('a database of the previous release gets the login, and loses the role with its next server', async () => {
  const dataDir = newCluster();
  const before = await joinHere(dataDir, 'command');
  await migrate(before.connection(), log);
  await sql(before.connection, 'create role purser_server nologin');
  await sql(before.connection, 'grant insert on operations to purser_server');
  const roles = `select rolname from pg_roles where rolname = 'purser_server'`;
  // A server of that release may run beside a command, and still needs the role.
  const command = await open(dataDir, 'command');
  expect(await command.database.rows(WHO)).toEqual(SERVING);
  expect(await sql(before.connection, roles)).toHaveLength(1);
  const server = await open(dataDir, 'server');
  expect(server.unprotected).toEqual([]);
  expect(await sql(before.connection, roles)).toEqual([]);
});

test('a PostgreSQL that the previous release started accepts the new login', async () => {
  const dataDir = newCluster();
  const before = await joinHere(dataDir, 'command');
  for (const [file, of] of [
    ['pg_hba.conf', 'purser_owner,purser_serving'],
    ['pg_ident.conf', 'purser_serving'],
  ] as const) {
    const path = join(dataDir, 'postgresql', file);
    const text = readFileSync(path, 'utf8');
    expect(text).toContain(of);
    const old =
      file === 'pg_hba.conf'
        ? text.replace(of, 'purser_owner')
        : text.replaceAll(/.* purser_serving\n/g, '');
    writeFileSync(path, old);
  }
  await sql(before.connection, 'drop role purser_serving');
  await sql(before.connection, 'select pg_reload_conf()');
  const one = await open(dataDir, 'command');
  expect(await one.database.rows(WHO)).toEqual(SERVING);
});
