import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { PostgresDatabase } from '../../src/db/connection/postgres.ts';
import { type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded/embedded.ts';
import { DEBIAN_POSTGRESQL_15 } from '../clusters.ts';
import { newFundedAccount, newOperatorKey } from './books.ts';
import { attributesOf, call } from './client.ts';
import { type Node, startNode, useNodes } from './node.ts';

/** A node while PostgreSQL ends sessions or accepts no writes. This file has its own PostgreSQL. */

useNodes();
const quiet = { info: () => {}, warn: () => {} };
const dataDir = mkdtempSync(join(tmpdir(), 'purser-states-'));
let postgres: EmbeddedPostgres;
let admin: pg.Client;
let node: Node;
let key: string;
let customerKey: string;
let account: string;

beforeAll(async () => {
  const binDir = inject('major') === 15 ? { binDir: DEBIAN_POSTGRESQL_15 } : {};
  postgres = await startEmbedded({ dataDir, as: 'command', log: quiet, ...binDir });
  const { host, port, user, database } = postgres.connection();
  admin = new pg.Client(postgres.connection());
  await admin.connect();
  node = await startNode({
    DATABASE_URL: `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`,
  });
  key = await operatorKey();
  account = await newFundedAccount(node.url, key, ['5000']);
  const made = await call('POST', `${node.url}/v1/accounts/${account}/api_keys`, { key, body: {} });
  customerKey = String(attributesOf(made, 201)['key']);
});
afterAll(async () => {
  await node.end();
  await admin.end();
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Makes an operator key with every scope. Resolves with its secret. */
async function operatorKey(): Promise<string> {
  const source = () => postgres.connection();
  const database = new PostgresDatabase({ source, role: null, log: quiet });
  const secret = await newOperatorKey({ database });
  await database.close();
  return secret;
}

let charges = 0;
const charge = () => {
  charges += 1;
  return call('POST', `${node.url}/v1/charges`, {
    key,
    idempotencyKey: `charge-${charges}`,
    body: { account, amount: '0.01' },
  });
};
const requests: readonly (() => ReturnType<typeof call>)[] = [
  charge,
  () => call('GET', `${node.url}/v1/billing/account_balance`, { key: customerKey }),
  () => call('GET', `${node.url}/v1/accounts/${account}`, { key }),
  () => call('GET', `${node.url}/v1/accounts/${account}/balance`, { key }),
  () => call('GET', `${node.url}/v1/accounts/${account}/entries`, { key }),
  () => call('GET', `${node.url}/v1/accounts/${account}/usage?group_by=day`, { key }),
  () => call('PATCH', `${node.url}/v1/accounts/${account}`, { key, body: { name: 'Again' } }),
  () => call('POST', `${node.url}/v1/accounts/${account}/api_keys`, { key, body: {} }),
];

const readiness = async () => (await call('GET', `${node.url}/readyz`)).status;

test('a node lives through the end of all its backends, again and again, under load', async () => {
  let isOver = false;
  const statuses = new Map<number, number>();
  const clients = requests.map(async (request) => {
    while (!isOver) {
      const { status } = await request();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  for (let round = 0; round < 12; round += 1) {
    await admin.query(`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`);
  }
  isOver = true;
  await Promise.all(clients);
  expect(node.process.exitCode).toBeNull();
  expect([...statuses.keys()].filter((status) => ![200, 201, 503].includes(status))).toEqual([]);
  for (const request of requests) {
    await expect.poll(async () => (await request()).status).toBeOneOf([200, 201]);
  }
});

test('a switch-over is answered database_unavailable and not ready, and passes by itself', async () => {
  const hundredths = async () => {
    const answer = await call('GET', `${node.url}/v1/accounts/${account}/balance`, { key });
    return Math.round(Number(attributesOf(answer, 200)['posted']) * 100);
  };
  const before = await hundredths();
  await admin.query('alter system set default_transaction_read_only = on');
  await admin.query('select pg_reload_conf()');
  await expect.poll(readiness, { timeout: 10_000 }).toBe(503);
  for (const write of [charge, requests[6], requests[7]]) {
    const answer = await write?.();
    expect([answer?.status, JSON.parse(answer?.body ?? '').code]).toEqual([
      503,
      'database_unavailable',
    ]);
    expect(answer?.headers['retry-after']).toBe('1');
  }
  await admin.query('alter system reset default_transaction_read_only');
  await admin.query('select pg_reload_conf()');
  await expect.poll(readiness, { timeout: 10_000 }).toBe(200);
  for (const request of requests) expect((await request()).status).toBeLessThan(300);
  expect(await hundredths()).toBe(before - 1);
});
