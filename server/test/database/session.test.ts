import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import type { Statement } from '../../src/db/connection/database.ts';
import { PostgresDatabase } from '../../src/db/connection/postgres.ts';
import { setUpSession } from '../../src/db/connection/session.ts';
import { typeParsers } from '../../src/db/connection/types.ts';
import { openDatabase } from '../../src/db/open.ts';
import { useDatabase } from '../postgres.ts';
import { MIGRATED, usePlaces } from './places.ts';

/** The settings of each connection, and the reasons to refuse one. */

const db = useDatabase();
const places = usePlaces();
const log = { info: () => {}, warn: () => {} };

const SETTINGS: Statement = {
  name: 'settings',
  text: `
    select current_setting('TimeZone') as zone, current_setting('DateStyle') as dates,
           current_setting('synchronous_commit') as commits,
           current_setting('lock_timeout') as lock_timeout,
           current_setting('statement_timeout') as statement_timeout,
           current_setting('idle_in_transaction_session_timeout') as idle_timeout`,
};

describe('a session', () => {
  test('has its settings, whatever the login, the database or the URL says', async () => {
    const name = await places.database({ from: MIGRATED });
    const admin = places.config(name);
    await places.run(
      admin,
      `alter database ${name} set TimeZone = 'Asia/Kathmandu'`,
      `alter database ${name} set DateStyle = 'German'`,
      `alter database ${name} set synchronous_commit = off`,
      `alter database ${name} set statement_timeout = '1h'`,
    );
    const config = { ...admin, options: '-c lock_timeout=1h -c TimeZone=America/Lima' };
    const database = new PostgresDatabase({ source: () => config, role: null, log });
    expect(await database.rows(SETTINGS)).toEqual([
      {
        zone: 'UTC',
        dates: expect.stringContaining('ISO'),
        commits: 'on',
        lock_timeout: '4s',
        statement_timeout: '10s',
        idle_timeout: '5s',
      },
    ]);
    const pipeline = await database.pipeline('purser test', { lock_timeout: '1s' });
    const [settings] = await pipeline.flush([[SETTINGS]]);
    expect(settings).toMatchObject({ ok: true, rows: [{ zone: 'UTC', lock_timeout: '1s' }] });
    pipeline.close();
    await database.close();
  });

  test('bounds a transaction of a pipeline from PostgreSQL 17 on', async () => {
    const pipeline = await db.database.pipeline('purser test', {});
    const [version, timeout] = await pipeline.flush([
      [{ name: 'v', text: `select current_setting('server_version_num')::int >= 170000 as has` }],
      [{ name: 't', text: `select current_setting('transaction_timeout', true) as timeout` }],
    ]);
    if (!version?.ok || !timeout?.ok) throw new Error('a setting cannot be read');
    expect(timeout.rows[0]?.['timeout']).toBe(version.rows[0]?.['has'] ? '7s' : null);
    pipeline.close();
  });
});

describe('an instant', () => {
  const clients: pg.Client[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end();
  });

  test.each([
    ['UTC'],
    ['America/New_York'],
    ['Asia/Kathmandu'],
    ['America/St_Johns'],
    ['Africa/Monrovia'],
    ['Pacific/Kiritimati'],
  ])('is the same in a session of the zone %s', async (zone) => {
    const client = new pg.Client({ ...db.config, types: typeParsers });
    clients.push(client);
    await client.connect();
    await client.query(`set TimeZone = '${zone}'`);
    for (const text of [
      '2026-11-23T09:20:44.123Z',
      '2026-07-01T00:00:00.000Z',
      '1970-01-01T00:00:00.000Z',
      '1931-05-05T12:34:56.789Z',
    ]) {
      const { rows } = await client.query('select $1::timestamptz as at', [text]);
      expect(rows[0].at, text).toBe(Date.parse(text));
    }
  });
});

describe('a session is refused', () => {
  const refusal = async (config: pg.ClientConfig, role: string | null = null) => {
    const client = new pg.Client(config);
    await client.connect();
    const error = await setUpSession(client, {}, role).then(
      () => null,
      (refused: unknown) => refused,
    );
    await client.end();
    return error;
  };

  test('if transactions are read-only, with the cure', async () => {
    const config = { ...db.config, options: '-c default_transaction_read_only=on' };
    expect(await refusal(config)).toMatchObject({
      name: 'OperatorError',
      message: 'The PostgreSQL takes no writes.',
      details: expect.stringContaining('default_transaction_read_only is on'),
      solution: expect.stringContaining('Switch it off'),
    });
  });

  test('if the database has another encoding than UTF8', async () => {
    const name = await places.database();
    await places.run(
      places.config('postgres'),
      `drop database ${name}`,
      `create database ${name} template template0 encoding 'SQL_ASCII' locale_provider libc locale 'C'`,
    );
    expect(await refusal(places.config(name))).toMatchObject({
      message: 'The database cannot hold every text.',
      details: expect.stringContaining('SQL_ASCII'),
      solution: expect.stringContaining('UTF8'),
    });
  });

  test('if the role does not exist, as unavailable and not as a bug', async () => {
    const database = new PostgresDatabase({ source: () => db.config, role: 'nobody_here', log });
    await expect(database.rows(SETTINGS)).rejects.toMatchObject({ name: 'DatabaseUnavailable' });
    await expect(database.pipeline('purser test', {})).rejects.toMatchObject({
      name: 'DatabaseUnavailable',
    });
    await database.close();
  });
});

test('a start waits for a database that accepts no writes yet', async () => {
  const name = await places.database({ from: MIGRATED });
  const admin = { ...places.config(name), options: '-c default_transaction_read_only=off' };
  await places.run(admin, `alter database ${name} set default_transaction_read_only = on`);
  const waits = new Promise<void>((resolve) => {
    const info = () => resolve();
    const { signal } = new AbortController();
    const options = { databaseUrl: places.url(name), dataDir: '', as: 'command', signal } as const;
    opening = openDatabase({ ...options, log: { info, warn: () => {} } });
  });
  await waits;
  await places.run(admin, `alter database ${name} reset default_transaction_read_only`);
  await (await opening)?.close();
});
let opening: ReturnType<typeof openDatabase> | undefined;
