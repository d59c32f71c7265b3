import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { type Answer, attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

/** The contract of the balance endpoint, on which public clients rely. */

const db = useDatabase();
useServers();
let node: Server;
let operatorKey: string;
let account: string;
let key: string;
let keyId: string;

const newKey = async (of: string, body: object = {}): Promise<{ id: string; key: string }> => {
  const made = await call('POST', `${node.url}/v1/accounts/${of}/api_keys`, {
    key: operatorKey,
    body,
  });
  const { id, key: secret } = attributesOf(made, 201);
  return { id: String(id), key: String(secret) };
};

const fetchBalance = (headers: Record<string, string>, path = '/v1/billing/account_balance') =>
  fetch(`${node.url}${path}`, { headers, redirect: 'manual' });

const read = (secret?: string) =>
  call(
    'GET',
    `${node.url}/v1/billing/account_balance`,
    secret === undefined ? {} : { key: secret },
  );

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl, PURSER_LOG_LEVEL: 'trace' });
  operatorKey = await newOperatorKey(db);
  account = await newFundedAccount(node.url, operatorKey, ['718924.5']);
  ({ key, id: keyId } = await newKey(account));
});

afterAll(async () => {
  await node.end();
});

describe('the balance endpoint', () => {
  test('answers 200 by itself with the exact body', async () => {
    const { status, headers, body } = await read(key);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(body).toBe(
      `{"data":{"type":"account","id":"${account}","attributes":{"balance":718924.5}}}`,
    );
  });

  test('takes the header in any letter case, any User-Agent, and ignores Authorization', async () => {
    for (const headers of [
      { 'x-api-key': key },
      { 'X-API-KEY': key, 'User-Agent': 'anything/1.0 (ünknown)'.replace('ü', 'u') },
      { 'X-Api-Key': key, Authorization: 'Bearer something-else' },
    ]) {
      expect((await fetchBalance(headers)).status).toBe(200);
    }
  });

  test('is not disturbed by a query string', async () => {
    const answer = await fetchBalance({ 'x-api-key': key }, '/v1/billing/account_balance?x=1');
    expect(answer.status).toBe(200);
  });

  test.each([
    ['0', []],
    ['0.000001', ['0.000001']],
    ['718924.5', ['718924.25', '0.25']],
    ['9223372036854.775807', ['9223372036854.775807']],
  ])('prints %s exactly', async (text, grants) => {
    const own = await newFundedAccount(node.url, operatorKey, grants);
    const { key: secret } = await newKey(own);
    const { status, body } = await read(secret);
    expect(status).toBe(200);
    expect(body).toContain(`"balance":${text}}`);
    expect(Number.isFinite(JSON.parse(body).data.attributes.balance)).toBe(true);
  });

  test('is the same for every key of an account, and current after each charge', async () => {
    const own = await newFundedAccount(node.url, operatorKey, ['3']);
    const keys = [await newKey(own), await newKey(own, { scopes: ['search', 'balance:read'] })];
    for (const left of ['2.5', '2', '1.5']) {
      const charged = await call('POST', `${node.url}/v1/charges`, {
        key: operatorKey,
        idempotencyKey: randomUUID(),
        body: { account: own, amount: '0.5' },
      });
      expect(charged.status).toBe(201);
      for (const { key: secret } of keys) {
        const { body } = await read(secret);
        expect(body).toBe(
          `{"data":{"type":"account","id":"${own}","attributes":{"balance":${left}}}}`,
        );
      }
    }
  });

  test('has no redirect for a path that is nearly its own', async () => {
    const answer = await fetchBalance({ 'x-api-key': key }, '/v1/billing/account_balance/');
    expect(answer.status).toBe(404);
    expect(JSON.parse(await answer.text())).toMatchObject({ detail: expect.any(String) });
  });
});

/** Checks the promises of every refusal by this endpoint. */
function expectRefusal(answer: Answer, status: number, detail: string, secret: string): void {
  expect(answer.status).toBe(status);
  const body = JSON.parse(answer.body);
  expect(body.detail).toBe(detail);
  expect(typeof body.code).toBe('string');
  expect(body.data).toBeUndefined();
  expect(Buffer.byteLength(answer.body)).toBeLessThan(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  expect(answer.headers['x-request-id']).toBeTruthy();
  if (secret !== '') expect(answer.body).not.toContain(secret);
}

describe('a refused key', () => {
  test('that is missing or empty is told that one is required', async () => {
    expectRefusal(await read(), 401, 'API key is required', '');
    expectRefusal(await read(''), 401, 'API key is required', '');
  });

  test('is refused in the same words whatever is wrong with it', async () => {
    const revoked = await newKey(account);
    await call('DELETE', `${node.url}/v1/api_keys/${revoked.id}`, { key: operatorKey });
    const expired = await newKey(account, { expires_at: new Date(Date.now() + 400).toISOString() });
    await expect.poll(async () => (await read(expired.key)).status).toBe(401);
    const secrets = [
      'prsr_unknown',
      `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`,
      'x'.repeat(600),
      "' or 1=1 --",
      'prso_unknown',
      revoked.key,
      expired.key,
    ];
    const bodies = new Set<string>();
    for (const secret of secrets) {
      const answer = await read(secret);
      expectRefusal(answer, 401, 'Invalid or expired API key', secret);
      bodies.add(answer.body);
    }
    expect(bodies.size).toBe(1);
  });

  test('without the scope is 403', async () => {
    const { key: secret } = await newKey(account, { scopes: ['search'] });
    expectRefusal(await read(secret), 403, 'Missing required scopes', secret);
  });

  test('of a suspended account is 403 with its own text, and works again when resumed', async () => {
    const own = await newFundedAccount(node.url, operatorKey, ['1']);
    const { key: secret } = await newKey(own);
    const change = (status: string) =>
      call('PATCH', `${node.url}/v1/accounts/${own}`, { key: operatorKey, body: { status } });
    expect((await change('suspended')).status).toBe(200);
    expectRefusal(await read(secret), 403, 'Account is suspended', secret);
    expect((await change('active')).status).toBe(200);
    expect((await read(secret)).status).toBe(200);
  });

  test('of the operator is 403', async () => {
    expectRefusal(
      await read(operatorKey),
      403,
      "This route takes a customer's API key",
      operatorKey,
    );
  });
});

describe('keys', () => {
  test('never appear in the log, and only masked after their creation', async () => {
    const listed = await call('GET', `${node.url}/v1/accounts/${account}/api_keys`, {
      key: operatorKey,
    });
    expect(listed.status).toBe(200);
    expect(listed.body).not.toContain(key);
    expect(listed.body).toContain(`${key.slice(0, 9)}…${key.slice(-4)}`);
    for (const secret of [key, operatorKey]) expect(node.output()).not.toContain(secret);
  });

  test('show when they were last used, without a write a request', async () => {
    await read(key);
    await expect
      .poll(
        async () => {
          const { body } = await call('GET', `${node.url}/v1/accounts/${account}/api_keys`, {
            key: operatorKey,
          });
          const keys: { id: string; attributes: { last_used_at: string | null } }[] =
            JSON.parse(body).data;
          return keys.find(({ id }) => id === keyId)?.attributes.last_used_at;
        },
        { timeout: 15_000, interval: 250 },
      )
      .toMatch(/^\d{4}-.*Z$/);
  });

  test('that customers have are imported by hash: once, and never into another account', async () => {
    const secret = 'sk_live_of_the_customer';
    const sha256 = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(secret))).toString(
      'hex',
    );
    const importInto = (of: string) =>
      call('POST', `${node.url}/v1/accounts/${of}/api_keys`, {
        key: operatorKey,
        body: { sha256 },
      });
    const [first, again] = [await importInto(account), await importInto(account)];
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(JSON.parse(again.body).data.id).toBe(JSON.parse(first.body).data.id);
    expect((await read(secret)).status).toBe(200);
    const other = await newFundedAccount(node.url, operatorKey, []);
    const taken = await importInto(other);
    expect(taken.status).toBe(409);
    expect(taken.body).not.toContain(account);
  });
});
