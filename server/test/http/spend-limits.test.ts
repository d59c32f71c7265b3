import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOperatorKey } from '../../src/auth/operator-keys.ts';
import type { OperatorScope } from '../../src/auth/scopes.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let nodes: [Server, Server];
let operatorKey: string;
let account: string;
let keyId: string;

beforeAll(async () => {
  const environment = { DATABASE_URL: db.databaseUrl };
  nodes = await Promise.all([startServer(environment), startServer(environment)]);
  operatorKey = await newOperatorKey(db);
  account = await newFundedAccount(nodes[0].url, operatorKey, ['1000']);
  const made = await ask('POST', `/v1/accounts/${account}/api_keys`, {});
  keyId = String(attributesOf(made, 201)['id']);
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.end()));
});

const ask = (method: string, path: string, body?: object, key = operatorKey) =>
  call(method, `${nodes[0].url}${path}`, { key, ...(body && { body }) });

/** Charges on the node that does not set limits. */
const charge = (amount: string, apiKeyId?: string) =>
  call('POST', `${nodes[1].url}/v1/charges`, {
    key: operatorKey,
    idempotencyKey: randomUUID(),
    body: { account, amount, ...(apiKeyId && { api_key_id: apiKeyId }) },
  });

const limitOf = (period: string, holder = `accounts/${account}`) =>
  `/v1/${holder}/spend_limits/${period}`;

test('a limit of an account is set, read, changed and removed', async () => {
  const path = limitOf('day');
  expect((await ask('GET', path)).status).toBe(404);
  attributesOf(await charge('1.5'), 201);
  const midnight = `${new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)}T00:00:00.000Z`;
  const expected = {
    type: 'spend_limit',
    id: `${account}/day`,
    attributes: {
      account,
      api_key_id: null,
      period: 'day',
      amount: '2',
      used: '1.5',
      reset_at: midnight,
    },
  };
  const set = await ask('PUT', path, { amount: '2.0' });
  expect(set.status).toBe(200);
  expect(JSON.parse(set.body)).toEqual({ data: expected });
  expect(await ask('GET', path)).toMatchObject({ status: 200, body: set.body });

  const refused = await charge('0.500001');
  expect(refused.status).toBe(402);
  expect(JSON.parse(refused.body)).toMatchObject({
    code: 'spend_limit_reached',
    spend_limit: '2',
    spend_used: '1.5',
  });
  attributesOf(await charge('0.5'), 201);
  const raised = attributesOf(await ask('PUT', path, { amount: '3' }), 200);
  expect(raised).toMatchObject({ amount: '3', used: '2' });

  const removed = await ask('DELETE', path);
  expect([removed.status, removed.body]).toEqual([204, '']);
  for (const method of ['GET', 'DELETE']) {
    const gone = await ask(method, path);
    expect(gone.status).toBe(404);
    expect(JSON.parse(gone.body)).toEqual({
      detail: 'No spend limit is set for this period',
      code: 'spend_limit_not_found',
    });
  }
  attributesOf(await charge('5'), 201);
});

test('a limit of a key counts only the key’s spending, and stops nothing else', async () => {
  const path = limitOf('total', `api_keys/${keyId}`);
  attributesOf(await charge('4', keyId), 201);
  const set = await ask('PUT', path, { amount: '4' });
  expect(JSON.parse(set.body).data.id).toBe(`${keyId}/total`);
  expect(attributesOf(set, 200)).toMatchObject({
    account,
    api_key_id: keyId,
    amount: '4',
    used: '4',
    reset_at: null,
  });
  expect((await charge('0.1', keyId)).status).toBe(402);
  expect((await charge('0.1')).status).toBe(201);
  expect((await ask('DELETE', path)).status).toBe(204);
  expect((await charge('0.1', keyId)).status).toBe(201);
});

test('once a limit is answered by one node, the other charges nothing beyond it', async () => {
  const path = limitOf('month');
  for (let round = 0; round < 5; round += 1) {
    let isSet = false;
    let accepted = 0;
    const charging = Array.from({ length: 16 }, async () => {
      while (!isSet) await charge('0.01');
      if ((await charge('0.01')).status === 201) accepted += 1;
    });
    const set = await ask('PUT', path, { amount: '0' });
    isSet = true;
    const { used } = attributesOf(set, 200);
    await Promise.all(charging);
    expect(accepted).toBe(0);
    expect(attributesOf(await ask('GET', path), 200)['used']).toBe(used);
    expect((await ask('DELETE', path)).status).toBe(204);
  }
});

test.each([
  ['accounts', 'accounts:write', 'keys:write'],
  ['api_keys', 'keys:write', 'accounts:write'],
] as const)(
  'limits of %s are written with %s and read with ledger:read too',
  async (kind, may, mayNot) => {
    const path = limitOf('day', kind === 'accounts' ? `accounts/${account}` : `api_keys/${keyId}`);
    const keyWith = async (scope: OperatorScope) =>
      (await createOperatorKey(db.database, { name: null, scopes: [scope], expiresAt: null }))
        .secret;
    const [writer, reader, other] = await Promise.all(
      [may, 'ledger:read' as const, mayNot].map(keyWith),
    );
    const statuses = async (key?: string) => [
      (await ask('PUT', path, { amount: '500' }, key)).status,
      (await ask('GET', path, undefined, key)).status,
      (await ask('DELETE', path, undefined, key)).status,
    ];
    expect(await statuses(writer)).toEqual([200, 200, 204]);
    await ask('PUT', path, { amount: '500' });
    expect(await statuses(reader)).toEqual([403, 200, 403]);
    expect(await statuses(other)).toEqual([403, 403, 403]);
    await ask('DELETE', path);
  },
);

test('an unknown account or key is 404; a wrong period or body is 422 by name', async () => {
  const unknownKey = 'key_00000000000000000000000000';
  for (const [path, code] of [
    [limitOf('day', `accounts/${'0'.repeat(64)}`), 'account_not_found'],
    [limitOf('day', 'accounts/nonsense'), 'account_not_found'],
    [limitOf('day', `api_keys/${unknownKey}`), 'api_key_not_found'],
    [limitOf('day', `api_keys/${account}`), 'api_key_not_found'],
  ] as const) {
    for (const [method, body] of [['PUT', { amount: '1' }], ['GET'], ['DELETE']] as const) {
      const refused = await ask(method, path, body);
      expect(refused.status).toBe(404);
      expect(JSON.parse(refused.body).code).toBe(code);
    }
  }
  for (const holder of [`accounts/${account}`, `api_keys/${keyId}`]) {
    for (const [method, body] of [['PUT', { amount: '1' }], ['GET'], ['DELETE']] as const) {
      const refused = await ask(method, limitOf('week', holder), body);
      expect(refused.status).toBe(422);
      expect(JSON.parse(refused.body)).toEqual({
        code: 'invalid_request',
        detail: 'period must be one of day, month, total',
      });
    }
  }
  for (const [body, detail] of [
    [{}, 'amount is required'],
    [{ amount: 1 }, 'amount must be a string of cents'],
    [{ amount: '-1' }, 'amount must be a string of cents'],
    [{ amount: '9999999999999' }, 'amount must be at most 9223372036854.775807 cents'],
    [{ amount: '1', used: '0' }, 'used is not a known member'],
  ] as const) {
    const refused = await ask('PUT', limitOf('day'), body);
    expect(refused.status).toBe(422);
    expect(JSON.parse(refused.body).detail).toContain(detail);
  }
});
