import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RateLimits } from '../../src/gateway/routes/rate-limits.ts';
import { networkOf } from '../../src/http/door/peers.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

/** Rate limits of customers' routes and of refused keys. The buckets here refill very slowly. */

const db = useDatabase();
useServers();
let node: Server;
let unlimited: Server;
let operatorKey: string;
let account: string;

beforeAll(async () => {
  const settings = {
    DATABASE_URL: db.databaseUrl,
    PURSER_RATE_LIMIT_BALANCE: '0.01:3',
    PURSER_RATE_LIMIT_BILLING: '0.01:2',
    PURSER_RATE_LIMIT_FAILED_KEYS: '0.01:2',
  };
  node = await startServer({ ...settings, PURSER_TRUSTED_PROXIES: '127.0.0.1' });
  unlimited = await startServer({
    ...settings,
    PURSER_RATE_LIMIT_BALANCE: 'off',
    PURSER_RATE_LIMIT_BILLING: 'off',
  });
  operatorKey = await newOperatorKey(db);
  account = await newFundedAccount(node.url, operatorKey, ['1']);
});

afterAll(async () => {
  await node.end();
  await unlimited.end();
});

async function newKey(): Promise<string> {
  const made = await call('POST', `${node.url}/v1/accounts/${account}/api_keys`, {
    key: operatorKey,
    body: { scopes: ['balance:read', 'billing:read'] },
  });
  return String(attributesOf(made, 201)['key']);
}

const BALANCE = '/v1/billing/account_balance';

/** Sends one request with a key, through a proxy that states the client's address. */
const ask = (path: string, key: string, forwardedFor = '192.0.2.1', url = node.url) =>
  fetch(`${url}${path}`, { headers: { 'x-api-key': key, 'x-forwarded-for': forwardedFor } });

/** The statuses of `times` requests, one after the other. `send` gets the number of the turn. */
const statusesOf = async (times: number, send: (turn: number) => Promise<Response>) => {
  const statuses: number[] = [];
  for (let turn = 1; turn <= times; turn += 1) statuses.push((await send(turn)).status);
  return statuses;
};

describe('the balance of a key', () => {
  test('may be read so often, and is 429 then', async () => {
    const key = await newKey();
    expect(await statusesOf(3, () => ask(BALANCE, key))).toEqual([200, 200, 200]);
    const refused = await ask(BALANCE, key);
    expect(refused.status).toBe(429);
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'retry-after': expect.stringMatching(/^\d+$/),
      'x-ratelimit-limit': '3',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': expect.stringMatching(/^\d{10}$/),
    });
    expect(await refused.text()).toBe('{"detail":"Rate limit exceeded","code":"rate_limited"}');
  });

  test('counts for each key by itself, and apart from the key’s other requests', async () => {
    const [one, other] = [await newKey(), await newKey()];
    await statusesOf(4, () => ask(BALANCE, one));
    expect((await ask(BALANCE, one)).status).toBe(429);
    expect((await ask(BALANCE, other)).status).toBe(200);
    expect((await ask('/v1/billing/charges', one)).status).toBe(200);
  });
});

test('lists, usage and quotes of a key have one limit', async () => {
  const key = await newKey();
  expect((await ask('/v1/billing/charges', key)).status).toBe(200);
  expect((await ask('/v1/billing/usage', key)).status).toBe(200);
  expect((await ask('/v1/billing/grants', key)).status).toBe(429);
  const quote = await call('POST', `${node.url}/v1/quotes`, { key, body: { route: 'x' } });
  expect([quote.status, JSON.parse(quote.body).code]).toEqual([429, 'rate_limited']);
});

test('a limit may be off, and the operator has none', async () => {
  const key = await newKey();
  for (const path of [BALANCE, '/v1/billing/charges']) {
    expect(await statusesOf(5, () => ask(path, key, '', unlimited.url))).not.toContain(429);
  }
  expect(await statusesOf(5, () => ask('/v1/accounts', operatorKey))).not.toContain(429);
});

describe('keys that are refused', () => {
  test('are 401 so often from one address, and 429 then; a good key is not', async () => {
    const key = await newKey();
    const from = '192.0.2.2';
    expect(await statusesOf(2, () => ask(BALANCE, 'bad', from))).toEqual([401, 401]);
    const refused = await ask(BALANCE, 'bad', from);
    expect([refused.status, refused.headers.get('x-ratelimit-limit')]).toEqual([429, '2']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.text()).toBe('{"detail":"Rate limit exceeded","code":"rate_limited"}');
    for (const path of ['/v1/accounts', '/v1/billing/charges']) {
      expect((await ask(path, 'bad', from)).status).toBe(429);
    }
    expect((await ask(BALANCE, key, from)).status).toBe(200);
  });

  test('are counted also if no key is sent', async () => {
    const from = '192.0.2.3';
    expect(await statusesOf(3, () => ask(BALANCE, '', from))).toEqual([401, 401, 429]);
  });

  test('behind a trusted proxy are counted for each client, by the address that the proxy saw', async () => {
    const forged = (turn: number) => ask(BALANCE, 'bad', `10.0.0.${turn}, 192.0.2.4`);
    expect(await statusesOf(3, forged)).toEqual([401, 401, 429]);
    expect((await ask(BALANCE, 'bad', '192.0.2.5')).status).toBe(401);
  });

  test('from elsewhere are counted for the machine that sends them, whatever it says', async () => {
    const forged = (turn: number) => ask(BALANCE, 'bad', `192.0.3.${turn}`, unlimited.url);
    expect(await statusesOf(3, forged)).toEqual([401, 401, 429]);
    await expect.poll(() => unlimited.output()).toContain('PURSER_TRUSTED_PROXIES');
  });

  test('are counted for a network of IPv6, which one client has for itself', async () => {
    const next = (turn: number) => ask(BALANCE, 'bad', `2001:db8:0:7::${turn}`);
    expect(await statusesOf(3, next)).toEqual([401, 401, 429]);
    expect((await ask(BALANCE, 'bad', '2001:db8:0:8::1')).status).toBe(401);
  });
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:DB8:0:0:9:9:9:9', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['192.0.2.1:80', undefined],
  ['unknown', undefined],
  ['', undefined],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('limits are kept for the last 100,000 names', () => {
  const limits = new RateLimits();
  const limit = { perSecond: 0.01, burst: 1 };
  const take = (name: number) => limits.take(String(name), 'x', limit).isWithin;
  expect([take(0), take(0)]).toEqual([true, false]);
  for (let name = 1; name < 100_000; name += 1) take(name);
  expect(take(0)).toBe(false);
  for (let name = 100_000; name < 200_000; name += 1) take(name);
  expect(take(0)).toBe(true);
});
