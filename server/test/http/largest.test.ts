import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { type Answer, attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let node: Server;
let key: string;

const LARGEST = '9223372036854.775807';
/** The largest amount less one microcent. */
const ALMOST = '9223372036854.775806';

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  key = await newOperatorKey(db);
});

afterAll(async () => {
  expect((await verify(db.database)).problem).toBeNull();
  await node.end();
});

const post = (path: string, body: object) =>
  call('POST', `${node.url}/v1/${path}`, { key, idempotencyKey: randomUUID(), body });
const get = (path: string) => call('GET', `${node.url}/v1/${path}`, { key });
const codeOf = ({ status, body }: Answer) => [status, JSON.parse(body).code];
const grant = async (account: string, amount: string) =>
  attributesOf(await post(`accounts/${account}/grants`, { amount }), 201);
const charge = async (account: string, amount: string) =>
  attributesOf(await post('charges', { account, amount }), 201);
const limit = (account: string, period: string, amount: string) =>
  call('PUT', `${node.url}/v1/accounts/${account}/spend_limits/${period}`, {
    key,
    body: { amount },
  });

describe('sums beyond int64', () => {
  test('of spent amounts refuse a spend limit by name, until reversals have lowered them', async () => {
    const account = await newFundedAccount(node.url, key, [LARGEST]);
    const { id: first } = await charge(account, LARGEST);
    await grant(account, LARGEST);
    await charge(account, LARGEST);
    for (const period of ['day', 'total']) {
      const refused = await limit(account, period, '1');
      expect(codeOf(refused)).toEqual([422, 'amount_too_large']);
      expect(JSON.parse(refused.body).detail).toContain('spending of this period');
    }
    attributesOf(await post(`charges/${first}/reverse`, { amount: '0.000001', reason: 'r' }), 201);
    expect(codeOf(await limit(account, 'total', '1'))).toEqual([422, 'amount_too_large']);
    attributesOf(await post(`charges/${first}/reverse`, { reason: 'r' }), 201);
    expect(attributesOf(await limit(account, 'total', '1'), 200)).toMatchObject({ used: LARGEST });
  });

  test('are exact in usage and statements', async () => {
    const account = await newFundedAccount(node.url, key, [LARGEST]);
    await charge(account, LARGEST);
    await grant(account, LARGEST);
    await charge(account, LARGEST);
    const usage = JSON.parse((await get(`accounts/${account}/usage`)).body);
    expect(JSON.stringify(usage)).toContain('18446744073709.551614');
    const from = '2020-01-01T00:00:00Z';
    const to = new Date(Date.now() - 1).toISOString();
    const statement = await get(`accounts/${account}/statement?from=${from}&to=${to}`);
    expect(statement.status).toBe(200);
  });

  test('of a counter refuse an overage by name; the hold itself is captured', async () => {
    const account = await newFundedAccount(node.url, key, [LARGEST]);
    await charge(account, ALMOST);
    attributesOf(await limit(account, 'total', LARGEST), 200);
    await grant(account, '1');
    const held = await post('holds', { account, amount: '0.000001', expires_in_s: 60 });
    const { id } = attributesOf(held, 201);
    const capture = (amount: string) => post(`holds/${id}/capture`, { amount });
    expect(codeOf(await capture('0.5'))).toEqual([422, 'amount_too_large']);
    expect(attributesOf(await capture('0.000001'), 200)).toMatchObject({ captured: '0.000001' });
  });

  test('of debt refuse an adjustment by name', async () => {
    const account = await newFundedAccount(node.url, key, [LARGEST]);
    attributesOf(await post('holds', { account, amount: LARGEST, expires_in_s: 60 }), 201);
    const deduct = (amount: string) =>
      post('adjustments', { account, amount, reason: 'r', allow_negative: true });
    const { available } = attributesOf(await deduct(`-${LARGEST}`), 201);
    expect(available).toBe(`-${LARGEST}`);
    expect(codeOf(await deduct('-0.000001'))).toEqual([422, 'amount_too_large']);
    const balance = attributesOf(await get(`accounts/${account}/balance`), 200);
    expect(balance).toMatchObject({ posted: '0', available: `-${LARGEST}` });
  });

  test('are not reached by the largest overdraft', async () => {
    const account = await newFundedAccount(node.url, key, [LARGEST]);
    const body = { overdraft_limit: LARGEST };
    attributesOf(await call('PATCH', `${node.url}/v1/accounts/${account}`, { key, body }), 200);
    const held = await post('holds', { account, amount: '1', expires_in_s: 60 });
    const { id } = attributesOf(held, 201);
    await charge(account, LARGEST);
    // The hold's own cent and the overdraft line pay, and use both up.
    const captured = await post(`holds/${id}/capture`, { amount: LARGEST });
    expect(attributesOf(captured, 200)).toMatchObject({ available: `-${LARGEST}` });
    const refused = await post('charges', { account, amount: LARGEST });
    expect(codeOf(refused)).toEqual([402, 'insufficient_credits']);
    expect(JSON.parse(refused.body)).toMatchObject({ available: '0', shortfall: LARGEST });
  });
});
