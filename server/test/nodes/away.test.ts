import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startProxy, type Weather } from '../database/proxy.ts';
import { useDatabase } from '../postgres.ts';
import { newFundedAccount, newOperatorKey } from './books.ts';
import { attributesOf, call } from './client.ts';
import { type Node, startNode, useNodes } from './node.ts';

const db = useDatabase();
useNodes();
let proxy: Awaited<ReturnType<typeof startProxy>>;
let node: Node;
let operatorKey: string;
let customerKey: string;
let account: string;

beforeAll(async () => {
  proxy = await startProxy(db.config);
  const { host, port, user, database } = proxy.config;
  const socket = encodeURIComponent(String(host));
  node = await startNode({
    DATABASE_URL: `postgresql://${user}@/${database}?host=${socket}&port=${port}`,
  });
  operatorKey = await newOperatorKey(db);
  account = await newFundedAccount(node.url, operatorKey, ['5']);
  const made = await call('POST', `${node.url}/v1/accounts/${account}/api_keys`, {
    key: operatorKey,
    body: {},
  });
  customerKey = String(attributesOf(made, 201)['key']);
});

afterAll(async () => {
  proxy.weather = {};
  await node.end();
  await proxy.close();
});

const readBalance = () =>
  call('GET', `${node.url}/v1/billing/account_balance`, { key: customerKey });

const ways: [string, Weather][] = [
  ['refuses connections', { refuse: true, toServer: () => false, toClient: () => false }],
  ['is silent', { silent: true }],
];

describe.each(ways)('a database that %s', (_, weather) => {
  test('gives 503 with Retry-After, as JSON with detail, within 2 s, and heals by itself', async () => {
    expect((await readBalance()).status).toBe(200);
    proxy.weather = weather;
    const asked = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, readBalance));
    // The contract promises this bound; it is no measure of speed.
    expect(performance.now() - asked).toBeLessThan(2_000);
    for (const { status, headers, body } of answers) {
      expect(status).toBe(503);
      expect(headers['retry-after']).toBe('1');
      expect(headers['content-type']).toMatch(/^application\/json/);
      expect(typeof JSON.parse(body).detail).toBe('string');
      expect(Buffer.byteLength(body)).toBeLessThan(200);
    }
    expect((await call('GET', `${node.url}/healthz`)).status).toBe(200);
    proxy.weather = {};
    await expect
      .poll(async () => (await readBalance()).status, { timeout: 15_000, interval: 50 })
      .toBe(200);
    const charge = await call('POST', `${node.url}/v1/charges`, {
      key: operatorKey,
      idempotencyKey: `after it ${_}`.replaceAll(' ', '-'),
      body: { account, amount: '1' },
    });
    expect(charge.status).toBe(201);
  });
});
