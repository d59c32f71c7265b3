import { describe, expect, test } from 'vitest';
import { migrate, migrationNames } from '../../src/db/migrate.ts';
import { openDatabase } from '../../src/db/open.ts';
import { MIGRATED, usePlaces } from './places.ts';

const places = usePlaces();
const log = { info: () => {}, warn: () => {} };
const { signal } = new AbortController();
const open = (databaseUrl: string) =>
  openDatabase({ databaseUrl, dataDir: '', as: 'server', log, signal });

const addNewer = (name: string) =>
  places.run(
    places.config(name),
    `insert into purser_migrations (name, run_on) values ('9999_from_the_future', now())`,
  );

describe('a database that a newer release has migrated', () => {
  test('is refused at the start, in three parts, and left as it is', async () => {
    const name = await places.database({ from: MIGRATED });
    await addNewer(name);
    await expect(open(places.url(name))).rejects.toMatchObject({
      name: 'OperatorError',
      message: 'The database was migrated by a newer release of Purser.',
      details: expect.stringContaining('9999_from_the_future'),
      solution: expect.stringContaining('Start the newer release'),
    });
    const roles = await places.run(
      places.config(name),
      `select from pg_roles join pg_database d on rolname = 'purser_server_' || d.oid
       where datname = '${name}'`,
    );
    expect(roles).toEqual([]);
  });

  test('is refused even if migrations of this release are missing', async () => {
    const name = await places.database({ from: MIGRATED });
    const last = migrationNames().at(-1);
    await places.run(places.config(name), `delete from purser_migrations where name = '${last}'`);
    await addNewer(name);
    await expect(migrate(places.config(name), log)).rejects.toMatchObject({
      message: 'The database was migrated by a newer release of Purser.',
    });
  });

  test('still serves the nodes that run already, which stay ready', async () => {
    const name = await places.database({ from: MIGRATED });
    const opened = await open(places.url(name));
    await addNewer(name);
    expect(await opened.isReady()).toEqual({ database: true, migrations: true });
    await opened.close();
  });
});

test('a database that lacks a migration of this release is not ready', async () => {
  const name = await places.database({ from: MIGRATED });
  const opened = await open(places.url(name));
  const last = migrationNames().at(-1);
  await places.run(places.config(name), `delete from purser_migrations where name = '${last}'`);
  expect(await opened.isReady()).toEqual({ database: true, migrations: false });
  await opened.close();
});
