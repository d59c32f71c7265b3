import { afterAll, beforeAll, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

/** Answers to wrong methods are the same without a gateway. */

const db = useDatabase();
useServers();
let node: Server;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
});

afterAll(() => node.end());

test.each([
  ['POST', '/v1/billing/account_balance', 'GET, HEAD'],
  ['OPTIONS', '/v1/billing/account_balance?x=1', 'GET, HEAD'],
  ['DELETE', '/v1/accounts/x', 'GET, HEAD, PATCH'],
  ['PUT', '/v1/charges', 'POST'],
])('%s %s is 405 with the methods that there are', async (method, path, allow) => {
  const answer = await fetch(`${node.url}${path}`, { method });
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
  const { code } = (await answer.json()) as { code: string };
  expect(code).toBe('method_not_allowed');
});

test.each([
  ['text/plain', 'x', '/v1/billing/account_balance', 405],
  ['application/json', '{', '/v1/billing/account_balance', 405],
  ['text/plain', 'x', '/nowhere', 404],
  ['application/json', `"${'x'.repeat(70_000)}"`, '/nowhere', 404],
])('a body of %s is not looked at where no route takes it', async (type, body, path, status) => {
  const headers = { 'content-type': type };
  const answer = await fetch(`${node.url}${path}`, { method: 'POST', headers, body });
  expect(answer.status).toBe(status);
});
