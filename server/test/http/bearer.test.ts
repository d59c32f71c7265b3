import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

/** Every route accepts a key as a Bearer token. A key in `X-API-Key` outranks it. */

const db = useDatabase();
useServers();
let node: Server;
let operatorKey: string;
let account: string;
let key: string;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  operatorKey = await newOperatorKey(db);
  account = await newFundedAccount(node.url, operatorKey, ['1']);
  const made = await call('POST', `${node.url}/v1/accounts/${account}/api_keys`, {
    key: operatorKey,
    body: { scopes: ['balance:read', 'billing:read'] },
  });
  key = String(attributesOf(made, 201)['key']);
});

afterAll(() => node.end());

const REQUIRED = '401 {"detail":"API key is required","code":"api_key_required"}';
const INVALID = '401 {"detail":"Invalid or expired API key","code":"api_key_invalid"}';

/** The status of an answer, with its body if it is an error. */
async function ask(path: string, headers: Record<string, string>): Promise<string> {
  const answer = await fetch(`${node.url}${path}`, { headers });
  const body = await answer.text();
  return answer.ok ? '200' : `${answer.status} ${body}`;
}

describe('a Bearer token', () => {
  test.each([
    ['/v1/billing/account_balance', () => key],
    ['/v1/billing/charges', () => key],
    ['/v1/accounts', () => operatorKey],
  ])('is a key on %s, whatever the case of the scheme', async (path, secret) => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
      expect(await ask(path, { authorization: `${scheme} ${secret()}` })).toBe('200');
    }
    expect(await ask(path, { authorization: 'Bearer unknown' })).toBe(INVALID);
  });

  test('has no meaning beside a key in X-API-Key', async () => {
    const path = '/v1/billing/account_balance';
    for (const token of ['Bearer unknown', `Bearer ${operatorKey}`, 'Basic eDp5', 'Bearer ']) {
      expect(await ask(path, { 'x-api-key': key, authorization: token })).toBe('200');
    }
    const good = `Bearer ${key}`;
    expect(await ask(path, { 'x-api-key': 'unknown', authorization: good })).toBe(INVALID);
    expect(await ask('/v1/accounts', { 'x-api-key': operatorKey, authorization: good })).toBe(
      '200',
    );
  });

  test('counts beside an empty X-API-Key, which is none', async () => {
    const headers = { 'x-api-key': '', authorization: `Bearer ${key}` };
    expect(await ask('/v1/billing/account_balance', headers)).toBe('200');
  });

  test.each(['', 'Bearer', 'Bearer ', 'Basic eDp5', 'key'])(
    'is missing in %j: a key is required',
    async (authorization) => {
      expect(await ask('/v1/billing/account_balance', { authorization })).toBe(REQUIRED);
    },
  );

  test('of the other kind is refused as the key would be', async () => {
    const path = '/v1/billing/account_balance';
    const customers = await ask('/v1/accounts', { authorization: `Bearer ${key}` });
    const operators = await ask(path, { authorization: `Bearer ${operatorKey}` });
    expect([customers, operators]).toEqual([
      expect.stringMatching(/^403 .*operator_key_required/),
      expect.stringMatching(/^403 .*customer_key_required/),
    ]);
  });

  test('is never logged', () => {
    for (const secret of [key, operatorKey]) expect(node.output()).not.toContain(secret);
  });
});
