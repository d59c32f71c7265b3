import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOperatorKeys } from '../../src/auth/operator-keys.ts';
import { uuidId } from '../../src/ledger/operations/ids.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

/** The actor of an operation, as the routes of operators and customers show it. */

const PURSER = fileURLToPath(new URL('../../bin/purser.js', import.meta.url));
const db = useDatabase();
useServers();
let node: Server;
/** Two operator keys, with their ids. */
let first: { secret: string; id: string };
let second: { secret: string; id: string };
let account: string;
let customer: string;

interface Resource {
  readonly id: string;
  readonly attributes: Record<string, unknown>;
}

const post = (path: string, body: object, { secret: key } = first) =>
  call('POST', `${node.url}${path}`, { key, idempotencyKey: randomUUID(), body });
const get = (path: string, key = first.secret) => call('GET', `${node.url}${path}`, { key });
const listed = async (path: string, key = first.secret): Promise<Resource[]> =>
  JSON.parse((await get(path, key)).body).data;
const actorOf = ({ id }: { id: string }) => ({ type: 'operator_key', id });

async function newOperator() {
  const secret = await newOperatorKey(db);
  const [newest] = (await listOperatorKeys(db.database, { limit: 1 })).items;
  return { secret, id: uuidId('opk', newest?.id ?? '') };
}

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  first = await newOperator();
  second = await newOperator();
  account = await newFundedAccount(node.url, first.secret, ['100']);
  const body = { scopes: ['billing:read', 'search'] };
  const made = await post(`/v1/accounts/${account}/api_keys`, body);
  customer = String(attributesOf(made, 201)['key']);
});

afterAll(() => node.end());

describe('an operation names the operator key that asked for it', () => {
  test('a charge, also when it is read and when its reversal names another', async () => {
    const made = attributesOf(await post('/v1/charges', { account, amount: '2' }), 201);
    expect(made['actor']).toEqual(actorOf(first));
    const reversal = { amount: '1', reason: 'half of it' };
    const back = await post(`/v1/charges/${made['id']}/reverse`, reversal, second);
    expect(attributesOf(back, 201)['actor']).toEqual(actorOf(second));
    const read = attributesOf(await get(`/v1/charges/${made['id']}`, second.secret), 200);
    expect(read['actor']).toEqual(actorOf(first));
    const [newest] = await listed(`/v1/accounts/${account}/charges`);
    expect(newest?.attributes['actor']).toEqual(actorOf(first));
  });

  test('a replay names the key of the first request', async () => {
    const body = { account, amount: '1' };
    const idempotencyKey = randomUUID();
    const charge = ({ secret: key }: { secret: string }) =>
      call('POST', `${node.url}/v1/charges`, { key, idempotencyKey, body });
    const [made, again] = [await charge(first), await charge(second)];
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.body).toBe(made.body);
  });

  test('a hold, and its ending', async () => {
    const hold = async () =>
      attributesOf(await post('/v1/holds', { account, amount: '3', expires_in_s: 60 }), 201);
    const captured = await hold();
    expect(captured).toMatchObject({ actor: actorOf(first), ended_by_actor: null });
    const answers = [
      await post(`/v1/holds/${captured['id']}/capture`, { amount: '4' }, second),
      await post(`/v1/holds/${(await hold())['id']}/void`, {}, second),
    ];
    for (const answer of answers) {
      const ended = attributesOf(answer, 200);
      const actors = { actor: actorOf(first), ended_by_actor: actorOf(second) };
      expect(ended).toMatchObject(actors);
      expect(attributesOf(await get(`/v1/holds/${ended['id']}`), 200)).toMatchObject(actors);
    }
    const { charge_id, overage_charge_id } = attributesOf(answers[0] as never, 200);
    for (const id of [charge_id, overage_charge_id]) {
      expect(attributesOf(await get(`/v1/charges/${id}`), 200)['actor']).toEqual(actorOf(second));
    }
  });

  test('a grant and an adjustment', async () => {
    const path = `/v1/accounts/${account}/grants`;
    const granted = attributesOf(await post(path, { amount: '5' }, second), 201);
    expect(granted['actor']).toEqual(actorOf(second));
    const [newest] = await listed(path);
    expect(newest?.attributes['actor']).toEqual(actorOf(second));
    const adjustment = { account, amount: '1', category: 'paid', reason: 'goodwill' };
    const adjusted = attributesOf(await post('/v1/adjustments', adjustment, second), 201);
    expect(adjusted['actor']).toEqual(actorOf(second));
  });

  test('a charge or hold by an authorization is the operator key’s', async () => {
    const asked = { api_key: customer, scope: 'search', amount: '1' };
    const charged = attributesOf(await post('/v1/authorizations', asked, second), 200);
    const charge = attributesOf(await get(`/v1/charges/${charged['charge_id']}`), 200);
    expect(charge['actor']).toEqual(actorOf(second));
    const held = await post('/v1/authorizations', { ...asked, expires_in_s: 60 }, second);
    const hold = attributesOf(await get(`/v1/holds/${attributesOf(held, 200)['hold_id']}`), 200);
    expect(hold['actor']).toEqual(actorOf(second));
  });

  test('the entries of it, in the list and in the statement as CSV', async () => {
    const own = await newFundedAccount(node.url, first.secret, ['10']);
    attributesOf(await post('/v1/charges', { account: own, amount: '2' }, second), 201);
    const entries = await listed(`/v1/accounts/${own}/entries`);
    expect(entries.map(({ attributes }) => attributes['actor'])).toEqual([
      actorOf(second),
      actorOf(first),
    ]);
    const from = '2026-01-01T00:00:00Z';
    const to = String(entries[0]?.attributes['created_at']).replace(/\d{3}Z$/, '999Z');
    const statement = () =>
      get(`/v1/accounts/${own}/statement?from=${from}&to=${to}&format=csv`).then(
        ({ body }) => body,
      );
    await expect.poll(statement).toContain('closing');
    const lines = (await statement()).split('\r\n').map((line) => line.split(',').slice(-2));
    expect(lines).toEqual([
      ['actor_type', 'actor_id'],
      ['', ''],
      ['operator_key', first.id],
      ['operator_key', second.id],
      ['', ''],
      [''],
    ]);
  });
});

test('the command line is the operator on the machine, without a key', async () => {
  const options = ['--account', account, '--amount', '1', '--json'];
  const env = { PATH: '/usr/bin:/bin', DATABASE_URL: db.databaseUrl };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [PURSER, 'charge', 'create', ...options],
    { env },
  );
  expect(JSON.parse(stdout).data.attributes.actor).toEqual({ type: 'local', id: null });
});

describe('a customer', () => {
  test('sees that it was the operator, and never which key', async () => {
    for (const what of ['charges', 'entries', 'grants']) {
      const { body } = await get(`/v1/billing/${what}?limit=500`, customer);
      const actors = JSON.parse(body).data.map(({ attributes }: Resource) => attributes['actor']);
      expect(actors.length).toBeGreaterThan(1);
      expect(new Set(actors.map((actor: unknown) => JSON.stringify(actor)))).toEqual(
        new Set(['{"type":"operator","id":null}']),
      );
      expect(body).not.toMatch(/opk_|operator_key/);
    }
    const [charge] = await listed('/v1/billing/charges', customer);
    const { body } = await get(`/v1/billing/charges/${charge?.id}`, customer);
    expect(JSON.parse(body).data.attributes.actor).toEqual({ type: 'operator', id: null });
  });
});
