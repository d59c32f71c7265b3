import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useClock } from '../database/clock.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
const clock = useClock(db);
useServers();
let node: Server;
let key: string;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  key = await newOperatorKey(db);
});

afterAll(() => node.end());

const charge = (account: string, amount: string) =>
  call('POST', `${node.url}/v1/charges`, {
    key,
    idempotencyKey: randomUUID(),
    body: { account, amount },
  });

test('a balance at an instant is given once the instant is over: nothing can be added to it', async () => {
  const account = await newFundedAccount(node.url, key, ['10']);
  const at = Date.now() + 1_000;
  await clock.set(at);
  const url = `${node.url}/v1/accounts/${account}/balance?at=${new Date(at).toISOString()}`;
  const asked = call('GET', url, { key });
  attributesOf(await charge(account, '3'), 201);
  attributesOf(await charge(account, '4'), 201);
  await clock.set(at + 1);
  expect(attributesOf(await asked, 200)).toMatchObject({ posted: '3' });
  await clock.shift(0);
});

test('a jump of the clock is answered 503, seen by /readyz and logged, and passes by itself', async () => {
  const account = await newFundedAccount(node.url, key, ['10']);
  const readiness = async () => {
    const { status, body } = await call('GET', `${node.url}/readyz`);
    return { status, clock: JSON.parse(body).clock };
  };
  await expect.poll(readiness).toEqual({ status: 200, clock: true });
  await clock.shift(3_600_000);
  const refused = await charge(account, '3');
  expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, 'clock_unreliable']);
  expect(refused.headers['retry-after']).toBe('10');
  for (const [method, path, body] of [
    ['GET', `accounts/${account}/entries`],
    ['GET', `accounts/${account}/balance?at=2026-01-01T00:00:00Z`],
    ['PUT', `accounts/${account}/spend_limits/day`, { amount: '1' }],
    ['POST', 'accounts', { kind: 'individual', name: 'A' }],
  ] as const) {
    const answer = await call(method, `${node.url}/v1/${path}`, { key, body });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'clock_unreliable']);
  }
  const balance = await call('GET', `${node.url}/v1/accounts/${account}/balance`, { key });
  expect(attributesOf(balance, 200)).toMatchObject({ available: '10' });
  expect(await readiness()).toEqual({ status: 503, clock: false });
  expect(node.output()).toContain("PostgreSQL's clock is more than a minute ahead");

  await clock.shift(0);
  await expect.poll(readiness, { timeout: 10_000 }).toEqual({ status: 200, clock: true });
  attributesOf(await charge(account, '3'), 201);
});
