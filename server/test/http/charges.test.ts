import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let node: Server;
let key: string;
let account: string;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  key = await newOperatorKey(db);
  account = await newFundedAccount(node.url, key, ['1000']);
});

afterAll(async () => {
  await node.end();
});

const charge = (body: unknown, idempotencyKey: string = randomUUID()) =>
  call('POST', `${node.url}/v1/charges`, { key, idempotencyKey, body });
const get = (path: string) => call('GET', `${node.url}${path}`, { key });

test('a word for a switch is refused, and the answer tells what a switch may be', async () => {
  const body = { account, amount: '1', reason: 'refund', allow_negative: 'yes' };
  const asked = { key, idempotencyKey: randomUUID(), body };
  const refused = await call('POST', `${node.url}/v1/adjustments`, asked);
  expect([refused.status, JSON.parse(refused.body).detail]).toEqual([
    422,
    'allow_negative must be true or false',
  ]);
});

describe('a charge', () => {
  test('answers its receipt with the grants that paid in burn order, and is found again', async () => {
    const own = await newFundedAccount(node.url, key, ['2']);
    const promotional = await call('POST', `${node.url}/v1/accounts/${own}/grants`, {
      key,
      idempotencyKey: randomUUID(),
      body: { amount: '0.3', category: 'promotional', priority: 10 },
    });
    const { id: first } = attributesOf(promotional, 201);
    const answer = await charge({
      account: own,
      amount: '0.500000',
      scope: 'search',
      description: 'a call',
      metadata: { z: 1, a: ['x'] },
    });
    const receipt = attributesOf(answer, 201);
    expect(receipt).toMatchObject({
      account: own,
      amount: '0.5',
      available: '1.8',
      grants: [{ grant: first, amount: '0.3' }, { amount: '0.2' }],
      reversed: '0',
      scope: 'search',
      api_key_id: null,
      description: 'a call',
    });
    expect(answer.body).toContain('"metadata":{"z":1,"a":["x"]}');
    const found = await get(`/v1/charges/${receipt['id']}`);
    expect(found).toMatchObject({ status: 200, body: answer.body });
  });

  test('is replayed byte for byte, even after the account was suspended', async () => {
    const own = await newFundedAccount(node.url, key, ['2']);
    const once = randomUUID();
    const first = await charge({ account: own, amount: '1.50' }, once);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    await call('PATCH', `${node.url}/v1/accounts/${own}`, { key, body: { status: 'suspended' } });
    const again = await charge({ account: own, amount: '1.5' }, once);
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect((await charge({ account: own, amount: '0.1' })).status).toBe(403);
    const other = await charge({ account: own, amount: '0.7' }, once);
    expect(other.status).toBe(422);
    expect(JSON.parse(other.body).code).toBe('idempotency_key_reused');
  });

  test('beyond the credit is 402 with the available, required and missing amounts', async () => {
    const own = await newFundedAccount(node.url, key, ['0.3']);
    const answer = await charge({ account: own, amount: '0.5' });
    expect(answer.status).toBe(402);
    const { message, ...rest } = JSON.parse(answer.body);
    expect(typeof message).toBe('string');
    expect(rest).toEqual({
      detail: 'Insufficient credits',
      code: 'insufficient_credits',
      error: 'payment_required',
      available: '0.3',
      required: '0.5',
      shortfall: '0.2',
    });
  });

  test('in debt is 402 with a shortfall that includes the debt: a grant of it is enough', async () => {
    const own = await newFundedAccount(node.url, key, ['1']);
    const post = (path: string, body: object) =>
      call('POST', `${node.url}/v1/${path}`, { key, idempotencyKey: randomUUID(), body });
    const held = await post('holds', { account: own, amount: '1', expires_in_s: 60 });
    const taken = { account: own, amount: '-1.25', reason: 'refund', allow_negative: true };
    attributesOf(await post('adjustments', taken), 201);
    attributesOf(await post(`holds/${attributesOf(held, 201)['id']}/void`, {}), 200);
    const refused = await charge({ account: own, amount: '0.5' });
    expect(refused.status).toBe(402);
    expect(JSON.parse(refused.body)).toMatchObject({
      available: '0',
      required: '0.5',
      shortfall: '0.75',
      message: expect.stringContaining('0.25 repay the overdraft'),
    });
    attributesOf(await post(`accounts/${own}/grants`, { amount: '0.75' }), 201);
    attributesOf(await charge({ account: own, amount: '0.5' }), 201);
  });

  test('of "0" makes a receipt and moves nothing', async () => {
    const own = await newFundedAccount(node.url, key, ['1']);
    const answer = await charge({ account: own, amount: '0' });
    expect(attributesOf(answer, 201)).toMatchObject({ amount: '0', available: '1', grants: [] });
  });

  test.each<[string, string, unknown, number, string]>([
    ['no account', 'a1', { amount: '1' }, 422, 'account is required'],
    ['an unknown member', 'a2', { account: 'A', amount: '1', amuont: '1' }, 422, 'amuont'],
    [
      'a number as amount',
      'a3',
      { account: 'A', amount: 1 },
      422,
      'amount must be a string of cents',
    ],
    ['a negative amount', 'a4', { account: 'A', amount: '-1' }, 422, 'amount must be'],
    ['too many decimals', 'a5', { account: 'A', amount: '0.0000001' }, 422, 'amount must be'],
    ['more than int64', 'a6', { account: 'A', amount: '9999999999999' }, 422, 'at most'],
    ['a NUL', 'a7', { account: 'A', amount: '1', description: 'a\0' }, 422, 'description'],
    [
      'half a surrogate',
      'a8',
      { account: 'A', amount: '1', metadata: { '\ud800': 1 } },
      422,
      'metadata',
    ],
    [
      'a long description',
      'a9',
      { account: 'A', amount: '1', description: 'x'.repeat(256) },
      422,
      'description',
    ],
    [
      'large metadata',
      'b1',
      { account: 'A', amount: '1', metadata: { a: 'x'.repeat(2_048) } },
      422,
      'metadata',
    ],
    ['a list', 'b2', [], 422, 'JSON object'],
    ['an unknown account', 'b3', { account: 'f'.repeat(64), amount: '1' }, 404, 'no such account'],
    [
      'a key that is nobody’s',
      'b4',
      { account: 'A', amount: '1', api_key_id: `key_${'0'.repeat(26)}` },
      404,
      'api_key_id',
    ],
    [
      'an Idempotency-Key with a blank',
      'a b',
      { account: 'A', amount: '1' },
      400,
      'Idempotency-Key',
    ],
    [
      'an Idempotency-Key that is too long',
      'x'.repeat(256),
      { account: 'A', amount: '1' },
      400,
      'Idempotency-Key',
    ],
  ])('with %s is refused by name', async (_, idempotencyKey, body, status, words) => {
    const text = JSON.parse(JSON.stringify(body).replace('"A"', `"${account}"`));
    const answer = await charge(text, idempotencyKey);
    expect(answer.body).toContain(words);
    expect(answer.status).toBe(status);
    expect(typeof JSON.parse(answer.body).detail).toBe('string');
  });

  test('without an Idempotency-Key is 400, and an id that is right in its first half is 404', async () => {
    const without = await call('POST', `${node.url}/v1/charges`, {
      key,
      body: { account, amount: '1' },
    });
    expect(without.status).toBe(400);
    const other = account.slice(0, 32) + (account.endsWith('0') ? '1' : '0').repeat(32);
    expect((await charge({ account: other, amount: '1' })).status).toBe(404);
  });

  test('by a key is judged by the key: its account, its revocation, its scopes', async () => {
    const newKey = async (of: string, scopes: string[]) =>
      attributesOf(
        await call('POST', `${node.url}/v1/accounts/${of}/api_keys`, { key, body: { scopes } }),
        201,
      );
    const own = await newKey(account, ['search']);
    const stranger = await newKey(await newFundedAccount(node.url, key, []), ['search']);
    const by = (id: unknown, scope = 'search') =>
      charge({ account, amount: '0.1', scope, api_key_id: id });
    expect(attributesOf(await by(own['id']), 201)['api_key_id']).toBe(own['id']);
    expect((await by(stranger['id'])).status).toBe(404);
    expect((await by(own['id'], 'contents')).status).toBe(403);
    const revoke = () => call('DELETE', `${node.url}/v1/api_keys/${own['id']}`, { key });
    expect([(await revoke()).status, (await revoke()).status]).toEqual([204, 204]);
    const late = await by(own['id']);
    expect([late.status, JSON.parse(late.body).code]).toEqual([409, 'api_key_inactive']);
  });
});

describe('lists', () => {
  test('give everything once, newest first, and entries add up to the balance', async () => {
    const own = await newFundedAccount(node.url, key, ['5', '7']);
    for (let n = 0; n < 7; n += 1) await charge({ account: own, amount: '0.25' });
    for (const [list, count] of [
      ['charges', 7],
      ['entries', 9],
      ['grants', 2],
    ] as const) {
      const seen: { id: string; attributes: { amount: string } }[] = [];
      for (let path: string | null = `/v1/accounts/${own}/${list}?limit=2`; path; ) {
        const page: { data: typeof seen; links: { next: string | null } } = JSON.parse(
          (await get(path)).body,
        );
        seen.push(...page.data);
        path = page.links.next;
      }
      expect(new Set(seen.map(({ id }) => id)).size).toBe(count);
      expect(seen).toHaveLength(count);
      if (list !== 'entries') continue;
      const cents = seen.reduce((sum, { attributes }) => sum + Number(attributes.amount) * 100, 0);
      expect(cents).toBe(1_025);
      const balance = attributesOf(await get(`/v1/accounts/${own}/balance`), 200);
      expect(balance).toMatchObject({
        posted: '10.25',
        held: '0',
        available: '10.25',
        overdraft_limit: '0',
        by_category: { paid: '10.25', promotional: '0', overdraft: '0' },
        next_expiry: null,
      });
    }
  });

  test.each(['limit=0', 'limit=501', 'limit=x', 'cursor=%00', 'cursor=zzz', 'unknown=1'])(
    'refuse ?%s by name',
    async (query) => {
      const answer = await get(`/v1/accounts/${account}/charges?${query}`);
      expect(answer.status).toBe(422);
      expect(JSON.parse(answer.body).detail).toContain(query.split('=')[0]);
    },
  );
});
