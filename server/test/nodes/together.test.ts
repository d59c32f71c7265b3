import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { migrationNames } from '../../src/db/migrate.ts';
import { call } from './client.ts';
import { startNode, useNodes } from './node.ts';

useNodes();
const { host, port, user } = inject('postgres');
const name = `empty_${randomBytes(6).toString('hex')}`;
const admin = new pg.Client({ host, port, user, database: 'postgres' });

beforeAll(async () => {
  await admin.connect();
  await admin.query(`create database ${name}`);
});

afterAll(async () => {
  await admin.query(`drop database ${name} with (force)`);
  await admin.end();
});

test('ten processes that start at once on an empty database all come up, and migrate it once', async () => {
  const environment = {
    DATABASE_URL: `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`,
  };
  const nodes = await Promise.all(Array.from({ length: 10 }, () => startNode(environment)));
  const ready = await Promise.all(nodes.map(({ url }) => call('GET', `${url}/readyz`)));
  expect(ready.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  const client = new pg.Client({ host, port, user, database: name });
  await client.connect();
  const { rows } = await client.query('select name from purser_migrations order by id');
  await client.end();
  expect(rows.map((row) => row.name)).toEqual(migrationNames());
  const codes = await Promise.all(nodes.map((node) => node.end()));
  expect(codes).toEqual(Array.from({ length: 10 }, () => 0));
});
