import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let node: Server;
let operatorKey: string;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  operatorKey = await newOperatorKey(db);
});

afterAll(() => node.end());

const post = (path: string, body: unknown, idempotencyKey?: string) =>
  call('POST', `${node.url}${path}`, {
    key: operatorKey,
    body,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  });
const authorize = (body: object, once?: string) => post('/v1/authorizations', body, once);
const charge = (body: object) => authorize({ amount: '0.5', ...body }, randomUUID());

async function newCustomer(credit: string[], more: object = {}) {
  const account = await newFundedAccount(node.url, operatorKey, credit);
  const made = await post(`/v1/accounts/${account}/api_keys`, {
    scopes: ['search', 'balance:read'],
    ...more,
  });
  const { id, key } = attributesOf(made, 201) as { id: string; key: string };
  return { account, id, key };
}

describe('an authorization', () => {
  test('charges a good key in the same decision, and replays it byte for byte', async () => {
    const { account, id, key } = await newCustomer(['2']);
    const once = randomUUID();
    const asked = { api_key: key, scope: 'search', amount: '0.50', description: 'a call' };
    const answer = await authorize(asked, once);
    const { charge_id, ...rest } = attributesOf(answer, 200);
    expect(rest).toEqual({
      id: charge_id,
      allowed: true,
      account,
      available: '1.5',
      hold_id: null,
    });
    const receipt = await call('GET', `${node.url}/v1/charges/${charge_id}`, { key: operatorKey });
    expect(attributesOf(receipt, 200)).toMatchObject({
      amount: '0.5',
      scope: 'search',
      api_key_id: id,
    });
    await call('DELETE', `${node.url}/v1/api_keys/${id}`, { key: operatorKey });
    const again = await authorize(asked, once);
    expect(again).toMatchObject({ status: 200, body: answer.body });
    expect(again.headers['idempotency-replayed']).toBe('true');
    const other = await authorize({ ...asked, amount: '0.6' }, once);
    expect(JSON.parse(other.body).code).toBe('idempotency_key_reused');
    for (const { body } of [answer, again, other]) expect(body).not.toContain(key);
    expect(node.output()).not.toContain(key);
  });

  test('holds if it names an expiry', async () => {
    const { key } = await newCustomer(['2']);
    const asked = { api_key: key, scope: 'search', amount: '1.5', expires_in_s: 60 };
    const { hold_id, charge_id, available } = attributesOf(await charge(asked), 200);
    expect({ charge_id, available }).toEqual({ charge_id: null, available: '0.5' });
    const captured = await post(`/v1/holds/${hold_id}/capture`, { amount: '1' }, randomUUID());
    expect(attributesOf(captured, 200)).toMatchObject({ captured: '1', available: '1' });
  });

  test('without an amount judges key, account and scope, and changes nothing', async () => {
    const { account, key } = await newCustomer(['2']);
    expect(attributesOf(await authorize({ api_key: key, scope: 'search' }), 200)).toEqual({
      id: null,
      allowed: true,
      account,
      available: '2',
      charge_id: null,
      hold_id: null,
    });
    const refused = await authorize({ api_key: key, scope: 'contents' });
    expect(attributesOf(refused, 200)).toMatchObject({ allowed: false, status: 403 });
  });

  test('refused has exactly the answer for the customer', async () => {
    const good = await newCustomer(['0.3']);
    const suspended = await newCustomer(['9']);
    await call('PATCH', `${node.url}/v1/accounts/${suspended.account}`, {
      key: operatorKey,
      body: { status: 'suspended' },
    });
    const revoked = await newCustomer(['9']);
    await call('DELETE', `${node.url}/v1/api_keys/${revoked.id}`, { key: operatorKey });
    const limited = await newCustomer(['9']);
    await db.query(
      `insert into spend_limits (account_id, holder, period, amount, used, period_start)
       select id, id, 'total', 400000, 0, 'epoch' from accounts where public_id = $1`,
      [limited.account],
    );
    const invalid = { detail: 'Invalid or expired API key', code: 'api_key_invalid' };
    const cases = [
      [{ api_key: 'nobody' }, null, 401, invalid],
      [{ api_key: operatorKey }, null, 401, invalid],
      [{ api_key: revoked.key }, revoked.account, 401, invalid],
      [
        { api_key: suspended.key },
        suspended.account,
        403,
        { detail: 'Account is suspended', code: 'account_suspended' },
      ],
      [
        { api_key: good.key, scope: 'contents' },
        good.account,
        403,
        { detail: 'Missing required scopes', code: 'missing_scopes' },
      ],
      [
        { api_key: good.key },
        good.account,
        402,
        { error: 'payment_required', available: '0.3', required: '0.5', shortfall: '0.2' },
      ],
      [
        { api_key: limited.key },
        limited.account,
        402,
        { code: 'spend_limit_reached', spend_limit: '0.4', spend_used: '0', reset_at: null },
      ],
    ] as const;
    for (const [asked, account, status, body] of cases) {
      const answer = await charge({ scope: 'search', ...asked });
      expect(attributesOf(answer, 200)).toMatchObject({
        allowed: false,
        account,
        charge_id: null,
        hold_id: null,
        status,
        body,
      });
    }
  });

  test('of a revoked key on a suspended account is 401, with an amount and without', async () => {
    const { account, id, key } = await newCustomer(['2']);
    await call('DELETE', `${node.url}/v1/api_keys/${id}`, { key: operatorKey });
    await call('PATCH', `${node.url}/v1/accounts/${account}`, {
      key: operatorKey,
      body: { status: 'suspended' },
    });
    const asked = { api_key: key, scope: 'search' };
    const answers = [
      await authorize(asked),
      await charge(asked),
      await charge({ ...asked, expires_in_s: 5 }),
    ];
    for (const answer of answers) {
      expect(attributesOf(answer, 200)).toMatchObject({ allowed: false, account, status: 401 });
    }
  });

  test('is a use of the key, with an amount and without', async () => {
    const judged = await newCustomer(['2']);
    const charged = await newCustomer(['2']);
    const own = await startServer({ DATABASE_URL: db.databaseUrl });
    const ask = (body: object) =>
      call('POST', `${own.url}/v1/authorizations`, {
        key: operatorKey,
        idempotencyKey: randomUUID(),
        body: { scope: 'search', ...body },
      });
    expect((await ask({ api_key: judged.key })).status).toBe(200);
    expect((await ask({ api_key: charged.key, amount: '1' })).status).toBe(200);
    // A stopping server first writes the last uses of its keys.
    await own.end();
    const rows = await db.query(
      `select count(*)::int as used from api_key_uses u join api_keys k on k.id = u.api_key_id
       join accounts a on a.id = k.account_id where a.public_id = any($1)`,
      [[judged.account, charged.account]],
    );
    expect(rows).toEqual([{ used: 2 }]);
  });

  test.each([
    ['an amount without an Idempotency-Key', { amount: '1' }, 400, 'idempotency_key_missing'],
    ['an expiry without an amount', { expires_in_s: 5 }, 422, 'invalid_request'],
    ['no scope', { scope: undefined }, 422, 'invalid_request'],
    ['an unknown member', { price: '1' }, 422, 'invalid_request'],
  ])('with %s is an error of the operator', async (_, more, status, code) => {
    const { key } = await newCustomer(['1']);
    const answer = await authorize({ api_key: key, scope: 'search', ...more });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
    expect(answer.body).not.toContain(key);
  });

  test('takes no key for another whose characters have the same low bytes', async () => {
    const { key } = await newCustomer(['2']);
    const lookalike = key.replace(/^prsr_./, (start) =>
      start.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 0x100)),
    );
    const asked = { api_key: lookalike, scope: 'search' };
    for (const answer of [await authorize(asked), await charge(asked)]) {
      const refused = { allowed: false, account: null, status: 401, charge_id: null };
      expect(attributesOf(answer, 200)).toMatchObject(refused);
    }
  });

  test('lets exactly 20 of 64 at once through on credit for 20', async () => {
    const { account, key } = await newCustomer(['7', '3']);
    const answers = await Promise.all(
      Array.from({ length: 64 }, () => charge({ api_key: key, scope: 'search' })),
    );
    const allowed = answers.filter((answer) => attributesOf(answer, 200)['allowed']);
    expect(allowed).toHaveLength(20);
    const balance = await call('GET', `${node.url}/v1/accounts/${account}/balance`, {
      key: operatorKey,
    });
    expect(attributesOf(balance, 200)).toMatchObject({ available: '0', posted: '0' });
  });
});

/** An item of a batch's answer. */
interface Item {
  readonly attributes: {
    readonly allowed: boolean;
    readonly available: string;
    readonly body?: { readonly available: string };
  };
}

describe('a batch of authorizations', () => {
  test('answers each item in order, as it would alone', async () => {
    const { key } = await newCustomer(['1']);
    const item = { api_key: key, scope: 'search' };
    const items = [
      { ...item, amount: '0.75', idempotency_key: 'one' },
      { ...item, api_key: 'nobody', amount: '0.75', idempotency_key: 'two' },
      { ...item, amount: '0.75', idempotency_key: 'three' },
      { ...item },
    ];
    const answer = await post('/v1/authorizations/batch', { items });
    expect(answer.status).toBe(200);
    const { data } = JSON.parse(answer.body);
    const seen = data.map(({ attributes }: { attributes: Record<string, unknown> }) => [
      attributes['allowed'],
      attributes['status'],
    ]);
    expect(seen).toEqual([
      [true, undefined],
      [false, 401],
      [false, 402],
      [true, undefined],
    ]);
    const again = await post('/v1/authorizations/batch', { items });
    expect(JSON.parse(again.body).data[0]).toEqual(data[0]);
  });

  test('states with each refusal the credit at that moment, as its body does', async () => {
    const { key } = await newCustomer(['1']);
    const items = ['0.6', '0.5', '0.3', '0.2'].map((amount, index) => ({
      api_key: key,
      scope: 'search',
      amount,
      idempotency_key: `turn-${index}`,
      ...(index > 0 && { expires_in_s: 60 }),
    }));
    const answer = await post('/v1/authorizations/batch', { items });
    const { data } = JSON.parse(answer.body);
    const seen = data.map(({ attributes: { allowed, available, body } }: Item) => [
      allowed,
      available,
      body?.available,
    ]);
    expect(seen).toEqual([
      [true, '0.4', undefined],
      [false, '0.4', '0.4'],
      [true, '0.1', undefined],
      [false, '0.1', '0.1'],
    ]);
  });

  test.each([
    ['items.1.idempotency_key is required', { idempotency_key: undefined }],
    ['items.1.amount must be a string of cents', { amount: '1,5' }],
    ['items.1.amount must be at most', { amount: '9999999999999' }],
    ['items.1.price is not a known member: known are api_key, scope', { price: '1' }],
    ['items.1.scope is required: must be a scope word', { scope: undefined }],
    ['items.1.expires_in_s must be left out', { amount: undefined, expires_in_s: 5 }],
    ['items.1.description must not hold a NUL', { description: '\0' }],
    ['items.1.metadata.a must not hold a NUL', { metadata: { a: '\0' } }],
    [
      'items.1.metadata must be nested',
      { metadata: JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`) },
    ],
    ['items.1.metadata must have at most', { metadata: { a: 'x'.repeat(2_048) } }],
  ])('says %s', async (words, wrong) => {
    const item = { api_key: 'k', scope: 'search', amount: '1', idempotency_key: 'k' };
    const items = [item, { ...item, ...wrong }];
    const answer = await post('/v1/authorizations/batch', { items });
    expect(answer.status).toBe(422);
    expect(JSON.parse(answer.body).detail).toContain(words);
  });

  test('answers each item, also if the idempotency key of one was used for another', async () => {
    const { key } = await newCustomer(['9']);
    const item = { api_key: key, scope: 'search', amount: '1', idempotency_key: 'once' };
    await post('/v1/authorizations/batch', { items: [item] });
    const items = [
      { ...item, amount: '2' },
      { ...item, idempotency_key: 'twice' },
      { ...item, amount: '9223372036854.775807', idempotency_key: 'huge' },
    ];
    const answer = await post('/v1/authorizations/batch', { items });
    expect(answer.status).toBe(200);
    const [reused, charged, huge] = JSON.parse(answer.body).data;
    expect(reused).toEqual({
      type: 'authorization',
      id: null,
      attributes: {
        allowed: false,
        account: null,
        available: null,
        charge_id: null,
        hold_id: null,
        error: {
          status: 422,
          code: 'idempotency_key_reused',
          detail: expect.stringMatching(/^This Idempotency-Key was used/),
        },
      },
    });
    expect(charged.attributes).toMatchObject({ allowed: true, available: '7' });
    expect(huge.attributes).toMatchObject({ allowed: false, status: 402 });
  });

  test('has room for 100 items of the largest members, and says how much it has', async () => {
    const { key } = await newCustomer(['9']);
    const escaped = '\u00e9'.repeat(512);
    const items = Array.from({ length: 100 }, (_, index) => ({
      api_key: index === 0 ? key : escaped,
      scope: 'search',
      amount: '0.000001',
      expires_in_s: 86_400,
      description: '\u{1F4B0}'.repeat(255),
      metadata: { a: '\u00e9'.repeat(1_019) },
      idempotency_key: `${index}`.padStart(255, '-'),
    }));
    const send = async (body: string) => {
      const answer = await fetch(`${node.url}/v1/authorizations/batch`, {
        method: 'POST',
        headers: { 'x-api-key': operatorKey, 'content-type': 'application/json' },
        body: body.replace(
          /[^\0-\x7f]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
        ),
      });
      return { status: answer.status, body: JSON.parse(await answer.text()) };
    };
    const { status, body } = await send(JSON.stringify({ items }));
    expect(status).toBe(200);
    const allowed = body.data.map(
      (item: { attributes: { allowed: boolean } }) => item.attributes.allowed,
    );
    expect(allowed).toEqual(items.map((_, index) => index === 0));
    expect(await send(JSON.stringify({ items }).padEnd(1_700_000))).toEqual({
      status: 413,
      body: { code: 'body_too_large', detail: 'The body is larger than 1600 KiB' },
    });
  });
});
