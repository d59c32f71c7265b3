import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useClock } from '../database/clock.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { type Node, startNode, useNodes } from '../nodes/node.ts';
import { useDatabase } from '../postgres.ts';

const db = useDatabase();
const clock = useClock(db);
useNodes();
let node: Node;
let key: string;

beforeAll(async () => {
  node = await startNode({ DATABASE_URL: db.databaseUrl });
  key = await newOperatorKey(db);
});

afterAll(() => node.end());

const charge = (account: string, amount: string) =>
  call('POST', `${node.url}/v1/charges`, {
    key,
    idempotencyKey: randomUUID(),
    body: { account, amount },
  });

test('a balance at an instant is told once the instant is over: nothing can be added to it', async () => {
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
