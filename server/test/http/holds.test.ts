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

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  key = await newOperatorKey(db);
});

afterAll(() => node.end());

const post = (path: string, body: unknown, idempotencyKey: string = randomUUID()) =>
  call('POST', `${node.url}${path}`, { key, idempotencyKey, body });
const get = (path: string) => call('GET', `${node.url}${path}`, { key });
const patch = (path: string, body: unknown) => call('PATCH', `${node.url}${path}`, { key, body });
const available = async (account: string) =>
  attributesOf(await get(`/v1/accounts/${account}/balance`), 200)['available'];
const codeOf = (answer: { status: number; body: string }) => [
  answer.status,
  JSON.parse(answer.body).code,
];

async function hold(account: string, amount: string, more: object = {}) {
  const answer = await post('/v1/holds', { account, amount, expires_in_s: 60, ...more });
  return String(attributesOf(answer, 201)['id']);
}

describe('a hold', () => {
  test('of 10.0 captured at 2.3 gives 7.7 back', async () => {
    const account = await newFundedAccount(node.url, key, ['100']);
    const made = await post('/v1/holds', {
      account,
      amount: '10.0',
      expires_in_s: 60,
      scope: 'search',
      description: 'a call',
      metadata: { a: 1 },
    });
    const { id, ...attributes } = attributesOf(made, 201);
    expect(attributes).toMatchObject({
      account,
      amount: '10',
      status: 'open',
      captured: null,
      charge_id: null,
      available: '90',
      scope: 'search',
      description: 'a call',
      metadata: { a: 1 },
    });
    expect(await available(account)).toBe('90');
    const captured = attributesOf(await post(`/v1/holds/${id}/capture`, { amount: '2.3' }), 200);
    expect(captured).toMatchObject({ status: 'captured', captured: '2.3', available: '97.7' });
    expect(await available(account)).toBe('97.7');
    const charge = attributesOf(await get(`/v1/charges/${captured['charge_id']}`), 200);
    expect(charge).toMatchObject({ amount: '2.3', hold: id, scope: 'search', reversed: '0' });
    const { available: _, ...rest } = captured;
    expect(attributesOf(await get(`/v1/holds/${id}`), 200)).toEqual(rest);
  });

  test('captured above its amount makes a second charge; beyond the credit it stays open', async () => {
    const account = await newFundedAccount(node.url, key, ['10']);
    const id = await hold(account, '6');
    const refused = await post(`/v1/holds/${id}/capture`, { amount: '10.5' });
    expect(codeOf(refused)).toEqual([402, 'insufficient_credits']);
    expect(JSON.parse(refused.body)).toMatchObject({
      available: '10',
      required: '10.5',
      shortfall: '0.5',
    });
    const once = randomUUID();
    const answer = await post(`/v1/holds/${id}/capture`, { amount: '9' }, once);
    const captured = attributesOf(answer, 200);
    expect(captured).toMatchObject({ captured: '9', available: '1' });
    const overage = attributesOf(await get(`/v1/charges/${captured['overage_charge_id']}`), 200);
    expect(overage).toMatchObject({ amount: '3', hold: id });
    const again = await post(`/v1/holds/${id}/capture`, { amount: '9.0' }, once);
    expect(again).toMatchObject({ status: 200, body: answer.body });
    expect(again.headers['idempotency-replayed']).toBe('true');
    const late = await post(`/v1/holds/${id}/capture`, { amount: '1' });
    expect(codeOf(late)).toEqual([409, 'hold_ended']);
    expect(JSON.parse(late.body)).toMatchObject({ ended_by: 'captured' });
    expect(codeOf(await post(`/v1/holds/${id}/void`, {}))).toEqual([409, 'hold_ended']);
  });

  test('ends for nothing by a capture of "0" or a void, with a receipt', async () => {
    const account = await newFundedAccount(node.url, key, ['10']);
    const free = await hold(account, '6');
    const captured = attributesOf(await post(`/v1/holds/${free}/capture`, { amount: '0' }), 200);
    expect(captured).toMatchObject({ captured: '0', available: '10' });
    expect(attributesOf(await get(`/v1/charges/${captured['charge_id']}`), 200)).toMatchObject({
      amount: '0',
    });
    const left = await hold(account, '6');
    const once = randomUUID();
    const voided = await post(`/v1/holds/${left}/void`, { reason: 'unused' }, once);
    expect(attributesOf(voided, 200)).toMatchObject({ status: 'voided', available: '10' });
    expect((await post(`/v1/holds/${left}/void`, { reason: 'unused' }, once)).body).toBe(
      voided.body,
    );
  });

  test('that is never captured gives back its credit at its expiry', async () => {
    const account = await newFundedAccount(node.url, key, ['10']);
    const id = await hold(account, '6', { expires_in_s: 1 });
    expect(await available(account)).toBe('4');
    await expect.poll(() => available(account), { timeout: 10_000 }).toBe('10');
    expect(attributesOf(await get(`/v1/holds/${id}`), 200)).toMatchObject({ status: 'expired' });
    const late = await post(`/v1/holds/${id}/capture`, { amount: '1' });
    expect(JSON.parse(late.body)).toMatchObject({ code: 'hold_ended', ended_by: 'expired' });
  });

  test.each([
    ['without an expiry', { amount: '1' }, 'expires_in_s'],
    ['for longer than a day', { amount: '1', expires_in_s: 86_401 }, 'expires_in_s'],
    ['for no time', { amount: '1', expires_in_s: 0 }, 'expires_in_s'],
    ['for half a second', { amount: '1', expires_in_s: 0.5 }, 'expires_in_s'],
    ['of a negative amount', { amount: '-1', expires_in_s: 5 }, 'amount'],
  ])('%s is refused by name', async (_, body, member) => {
    const account = await newFundedAccount(node.url, key, ['10']);
    const answer = await post('/v1/holds', { account, ...body });
    expect(codeOf(answer)).toEqual([422, 'invalid_request']);
    expect(answer.body).toContain(member);
  });

  test('that is not there is 404', async () => {
    const unknown = `hld_${'0'.repeat(38)}0`;
    for (const id of [unknown, 'hld_x', 'chg_x']) {
      expect(codeOf(await get(`/v1/holds/${id}`))).toEqual([404, 'hold_not_found']);
      const captured = await post(`/v1/holds/${id}/capture`, { amount: '1' });
      expect(captured.status).toBe(404);
    }
  });
});

describe('a reversal', () => {
  test('restores the balance to the microcent, in parts or whole, and never more', async () => {
    const account = await newFundedAccount(node.url, key, ['0.7', '5']);
    const charged = await post('/v1/charges', { account, amount: '3.141592' });
    const { id, grants } = attributesOf(charged, 201) as { id: string; grants: object[] };
    const part = await post(`/v1/charges/${id}/reverse`, { amount: '2.441593', reason: 'bad' });
    expect(attributesOf(part, 201)).toMatchObject({
      charge: id,
      amount: '2.441593',
      available: '5.000001',
      reason: 'bad',
      grants: [{ amount: '2.441592' }, { amount: '0.000001' }],
    });
    const over = await post(`/v1/charges/${id}/reverse`, { amount: '0.7', reason: 'bad' });
    expect(codeOf(over)).toEqual([422, 'reversal_exceeds_charge']);
    expect(over.body).toContain('0.699999');
    const once = randomUUID();
    const rest = await post(`/v1/charges/${id}/reverse`, { reason: 'bad' }, once);
    expect(attributesOf(rest, 201)).toMatchObject({ amount: '0.699999', available: '5.7' });
    expect((await post(`/v1/charges/${id}/reverse`, { reason: 'bad' }, once)).body).toBe(rest.body);
    expect(await available(account)).toBe('5.7');
    const now = attributesOf(await get(`/v1/charges/${id}`), 200);
    expect(now).toMatchObject({ reversed: '3.141592', grants });
    const none = await post(`/v1/charges/${id}/reverse`, { reason: 'bad' });
    expect(codeOf(none)).toEqual([422, 'reversal_exceeds_charge']);
  });

  test('needs a reason, and a charge', async () => {
    const unknown = `chg_${'0'.repeat(38)}0`;
    const nameless = await post(`/v1/charges/${unknown}/reverse`, {});
    expect(codeOf(nameless)).toEqual([422, 'invalid_request']);
    const lost = await post(`/v1/charges/${unknown}/reverse`, { reason: 'x' });
    expect(codeOf(lost)).toEqual([404, 'charge_not_found']);
  });
});

describe('an adjustment', () => {
  test('above zero makes a grant; below zero burns, and goes below zero if that is allowed', async () => {
    const account = await newFundedAccount(node.url, key, ['1']);
    const up = { account, amount: '2.5', category: 'promotional', reason: 'goodwill' };
    const once = randomUUID();
    const added = await post('/v1/adjustments', up, once);
    expect(attributesOf(added, 201)).toMatchObject({
      ...up,
      grant: expect.stringMatching(/^grt_/),
      available: '3.5',
    });
    expect((await post('/v1/adjustments', up, once)).body).toBe(added.body);
    const down = { account, amount: '-4', reason: 'twice' };
    const refused = await post('/v1/adjustments', down);
    expect(codeOf(refused)).toEqual([402, 'insufficient_credits']);
    const taken = await post('/v1/adjustments', { ...down, allow_negative: true });
    expect(attributesOf(taken, 201)).toMatchObject({
      amount: '-4',
      available: '-0.5',
      grant: null,
    });
    expect(await available(account)).toBe('-0.5');
  });

  test.each([
    ['of 0', { amount: '0', reason: 'x' }, 'amount'],
    ['without a reason', { amount: '1', category: 'paid' }, 'reason'],
    ['above zero without a category', { amount: '1', reason: 'x' }, 'category'],
    ['below zero with one', { amount: '-1', category: 'paid', reason: 'x' }, 'category'],
    ['of no number', { amount: '--1', reason: 'x' }, 'amount'],
  ])('%s is refused by name', async (_, body, member) => {
    const account = await newFundedAccount(node.url, key, ['10']);
    const answer = await post('/v1/adjustments', { account, ...body });
    expect(codeOf(answer)).toEqual([422, 'invalid_request']);
    expect(answer.body).toContain(member);
  });
});

describe('a grant', () => {
  const grant = (account: string, body: object, once?: string) =>
    post(`/v1/accounts/${account}/grants`, body, once);
  const inMs = (delay: number) => new Date(Date.now() + delay).toISOString();

  test('that expires disappears from the next balance, with its entry', async () => {
    const account = await newFundedAccount(node.url, key, ['5']);
    const expires_at = inMs(1_000);
    const made = await grant(account, { amount: '3', category: 'promotional', expires_at });
    expect(attributesOf(made, 201)).toMatchObject({ expires_at, remaining: '3', status: 'active' });
    expect(await available(account)).toBe('8');
    await expect.poll(() => available(account), { timeout: 10_000 }).toBe('5');
    const entries = JSON.parse((await get(`/v1/accounts/${account}/entries`)).body).data;
    expect(entries[0].attributes).toMatchObject({
      kind: 'grant_end',
      amount: '-3',
      book: 'breakage',
      created_at: expires_at,
    });
  });

  test('that starts later cannot be spent before, and pays only for the scopes that it names', async () => {
    const account = await newFundedAccount(node.url, key, []);
    const made = await grant(account, { amount: '3', effective_at: inMs(800) });
    expect(attributesOf(made, 201)).toMatchObject({ status: 'pending', remaining: '3' });
    expect(await available(account)).toBe('0');
    await expect.poll(() => available(account), { timeout: 10_000 }).toBe('3');
    await grant(account, { amount: '2', applies_to: ['search'] });
    const other = await post('/v1/charges', { account, amount: '4', scope: 'contents' });
    expect(JSON.parse(other.body)).toMatchObject({ available: '3', available_elsewhere: '2' });
    const search = await post('/v1/charges', { account, amount: '4', scope: 'search' });
    expect(search.status).toBe(201);
  });

  test('is voided once, and extended only to later', async () => {
    const account = await newFundedAccount(node.url, key, []);
    const made = await grant(account, { amount: '9', expires_at: inMs(60_000) });
    const { id } = attributesOf(made, 201);
    const earlier = await patch(`/v1/grants/${id}`, { expires_at: inMs(30_000) });
    expect(codeOf(earlier)).toEqual([422, 'invalid_request']);
    const later = inMs(120_000);
    for (const expires_at of [later, later, null]) {
      const answer = await patch(`/v1/grants/${id}`, { expires_at });
      expect(attributesOf(answer, 200)).toMatchObject({ expires_at });
    }
    await hold(account, '2');
    const once = randomUUID();
    const voided = await post(`/v1/grants/${id}/void`, { reason: 'refunded' }, once);
    expect(attributesOf(voided, 200)).toMatchObject({
      remaining: '2',
      reserved: '2',
      status: 'ended',
      ended_by: 'void',
    });
    expect((await post(`/v1/grants/${id}/void`, { reason: 'refunded' }, once)).body).toBe(
      voided.body,
    );
    expect(codeOf(await post(`/v1/grants/${id}/void`, {}))).toEqual([409, 'grant_ended']);
    expect(codeOf(await patch(`/v1/grants/${id}`, { expires_at: later }))).toEqual([
      409,
      'grant_ended',
    ]);
    expect(await available(account)).toBe('0');
    const unknown = `grt_${'0'.repeat(38)}0`;
    expect(codeOf(await post(`/v1/grants/${unknown}/void`, {}))).toEqual([404, 'grant_not_found']);
  });

  test('that would be over before it begins is refused, and its replay is not', async () => {
    const account = await newFundedAccount(node.url, key, []);
    const past = await grant(account, { amount: '1', expires_at: '2020-01-01T00:00:00Z' });
    expect(codeOf(past)).toEqual([422, 'invalid_request']);
    const once = randomUUID();
    const soon = { amount: '1', expires_at: inMs(300) };
    const first = await grant(account, soon, once);
    await expect.poll(() => available(account), { timeout: 5_000 }).toBe('0');
    expect(await grant(account, soon, once)).toMatchObject({ status: 201, body: first.body });
  });
});
