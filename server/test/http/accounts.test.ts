import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let node: Server;
let key: string;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  key = await newOperatorKey(db);
});

afterAll(async () => {
  await node.end();
});

const newId = () => randomBytes(32).toString('hex');
const create = (body: object) =>
  call('POST', `${node.url}/v1/accounts`, {
    key,
    body: { kind: 'organization', name: 'Moved', ...body },
  });
const refusalOf = async (body: object) => {
  const { status, body: text } = await create(body);
  return { status, ...JSON.parse(text) };
};

describe('an account that is moved over', () => {
  test('keeps the id that its customers have stored', async () => {
    const id = newId();
    expect(attributesOf(await create({ id }), 201)['id']).toBe(id);
    const made = await call('POST', `${node.url}/v1/accounts/${id}/api_keys`, { key, body: {} });
    const customersKey = String(attributesOf(made, 201)['key']);
    const balance = await call('GET', `${node.url}/v1/billing/account_balance`, {
      key: customersKey,
    });
    expect(JSON.parse(balance.body).data).toEqual({
      type: 'account',
      id,
      attributes: { balance: 0 },
    });
    expect(await verify(db.database)).toMatchObject({ problem: null });
  });

  test('is refused if its id, or the first half of it, exists', async () => {
    const id = newId();
    attributesOf(await create({ id }), 201);
    const sameHalf = id.slice(0, 32) + newId().slice(32);
    for (const taken of [id, sameHalf]) {
      expect(await refusalOf({ id: taken })).toEqual({
        status: 409,
        code: 'account_id_taken',
        detail: `The account ${id} has this id, or the first half of it: choose another id`,
      });
    }
    const otherHalf = newId().slice(0, 32) + id.slice(32);
    expect(attributesOf(await create({ id: otherHalf }), 201)['id']).toBe(otherHalf);
  });

  test('reports a taken external id first, so that a migration may be run again', async () => {
    const body = { id: newId(), external_id: 'moved-1' };
    attributesOf(await create(body), 201);
    expect(await refusalOf(body)).toMatchObject({ code: 'external_id_taken', account: body.id });
    expect(await refusalOf({ ...body, id: newId() })).toMatchObject({
      code: 'external_id_taken',
      account: body.id,
    });
  });

  test('is made once if many ask for the id at once', async () => {
    const id = newId();
    const answers = await Promise.all(Array.from({ length: 16 }, () => create({ id })));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array(15).fill(409)]);
    const [row] = await db.query(
      `select (select count(*)::int from accounts where public_id = $1) as accounts,
              (select count(*)::int from balances where account_id = left($1, 32)::uuid) as balances`,
      [id],
    );
    expect(row).toEqual({ accounts: 1, balances: 1 });
  });

  test.each([
    ['of another form', 'acme', /^id must be an account's id, 64 lowercase hex characters$/],
    ['in upper case', 'A'.repeat(64), /^id must be an account's id/],
    [
      'that begins with 32 zeros',
      '0'.repeat(32) + '1'.repeat(32),
      /^id must not begin with 32 zeros/,
    ],
  ])('with an id %s is refused by name', async (_, id, detail) => {
    expect(await refusalOf({ id })).toEqual({
      status: 422,
      code: 'invalid_request',
      detail: expect.stringMatching(detail),
    });
  });
});
