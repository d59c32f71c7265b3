import { describe, expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { type Customer, newKey, type SendOptions, useGateway } from './rig.ts';

const db = useDatabase();
const gateway = useGateway(
  db,
  (upstream) => `${PRICES(upstream)}
  small_replay:
    methods: [GET]
    path: /v1/small-replay
    scope: search
    upstream: up
    replay_bytes: 20
    price: [{per_call: "0.5"}]
  no_replay:
    methods: [GET]
    path: /v1/no-replay
    scope: search
    upstream: up
    replay_bytes: 0
    price: [{per_call: "0.5"}]
  short_events:
    methods: [GET]
    path: /v1/short-events
    scope: search
    upstream: up
    longest_s: 1
    count_event_with: usage
    price: [{per: output, cents: "0.1", count: answer.usage.output, at_most: 20}]
  failing:
    methods: [GET]
    path: /v1/failing
    scope: search
    upstream: up
    count_event_with: usage
    error_event: error
    price: [{per: output, cents: "0.1", count: answer.usage.output, at_most: 20}]
  paid_errors:
    methods: [GET]
    path: /v1/paid-errors
    scope: search
    upstream: up
    price: [{per_call: "0.5"}]
    settlement: {upstream_4xx: counted}
`,
);

const codeOf = (body: string): string => JSON.parse(body).code;

function asking(customer: Customer, idempotencyKey = newKey()) {
  return (path: string, options: SendOptions = {}) =>
    customer.get(path, {
      ...options,
      headers: { 'idempotency-key': idempotencyKey, ...options.headers },
    });
}

const seen = (mark: string): number =>
  gateway.upstream.requests.filter(({ url }) => url.includes(mark)).length;

describe("a customer's idempotency key", () => {
  test.each([
    ['/v1/fixed?', '9.5'],
    ['/v1/counted?items=2&', '9.3'],
    ['/v1/events?do=events&items=4&', '9.6'],
    ['/v1/free?', '10'],
  ])('gives the first answer of %s again, for nothing', async (path, left) => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const mark = `mark=${newKey()}`;
    const first = await ask(`${path}${mark}`);
    const again = await ask(`${path}${mark}`);
    expect([again.status, again.body]).toEqual([first.status, first.body]);
    for (const name of ['content-type', 'x-own', 'set-cookie']) {
      expect(again.headers[name]).toEqual(first.headers[name]);
    }
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
    expect(again.headers).toMatchObject({
      'idempotency-replayed': 'true',
      'x-credits-charged': '0',
      'x-credits-remaining': left,
    });
    const told = { ...first.trailers, ...first.headers };
    expect(again.headers['x-charge-id']).toBe(told['x-charge-id']);
    expect(seen(mark)).toBe(1);
    expect(await customer.balance()).toBe(left);
  });

  test('is refused for another request, and if it is misspelt', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    await ask('/v1/fixed');
    const other = [
      await ask('/v1/fixed?other=1'),
      await ask('/v1/counted'),
      await ask('/v1/fixed', { method: 'POST' }),
      await ask('/v1/fixed', { headers: { accept: 'application/xml' } }),
      await ask('/v1/fixed', { headers: { 'accept-language': 'de' } }),
      await ask('/v1/fixed', { headers: { 'content-type': 'text/plain' } }),
    ];
    for (const { status, body } of other) {
      expect([status, codeOf(body)]).toEqual([422, 'idempotency_key_reused']);
    }
    const misspelt = await asking(customer, 'a b')('/v1/fixed');
    expect([misspelt.status, codeOf(misspelt.body)]).toEqual([400, 'idempotency_key_invalid']);
    expect(await customer.balance()).toBe('9.5');
  });

  test("is the customer's own: another account and the operator have theirs", async () => {
    const [one, other] = [await gateway.customer('10'), await gateway.customer('10')];
    const key = newKey();
    expect((await asking(one, key)('/v1/fixed')).status).toBe(200);
    const theirs = await asking(other, key)('/v1/fixed');
    expect(theirs.headers).not.toHaveProperty('idempotency-replayed');
    expect(await other.balance()).toBe('9.5');
  });

  test('that is sent 20 times at once is forwarded and paid once', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/v1/fixed?mark=20')));
    const codes = answers.filter((a) => a.status !== 200).map((a) => codeOf(a.body));
    expect(new Set(codes)).toEqual(new Set(codes.length > 0 ? ['in_progress'] : []));
    expect(seen('mark=20')).toBe(1);
    expect(await customer.balance()).toBe('9.5');
  });

  test('waits while the first attempt runs, on every node', async () => {
    const customer = await gateway.customer('10');
    const node = await gateway.another();
    const ask = asking(customer);
    const first = ask('/v1/short?do=silence&mark=runs');
    await expect.poll(() => seen('mark=runs')).toBe(1);
    for (const url of [gateway.url, node.url]) {
      const second = await ask('/v1/short?do=silence&mark=runs', { url });
      expect([second.status, codeOf(second.body)]).toEqual([409, 'in_progress']);
      expect(second.headers['retry-after']).toBe('1');
    }
    await first;
    await node.end();
  });

  test.each([
    ['/v1/fixed?status=503', 503],
    ['/v1/fixed?status=429', 429],
    ['/v1/fixed?do=drop', 502],
    ['/v1/counted?status=503', 503],
    ['/v1/counted?do=break', 502],
    ['/v1/events?do=events&then=break', 200],
  ])('is free again after the failure of %s, as often as that comes', async (path, status) => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    for (let turn = 0; turn < 8; turn += 1) {
      expect((await ask(path)).status).toBe(status);
      await expect.poll(() => claimsOf(customer)).toBe(0);
      expect(await customer.balance()).toBe('10');
    }
  });

  test('that was freed serves the next attempt, which is paid separately', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const path = `/v1/fixed?do=fail-once&mark=${newKey()}`;
    expect((await ask(path)).status).toBe(503);
    const second = await ask(path);
    expect([second.status, second.headers['x-credits-charged']]).toEqual([200, '0.5']);
    expect((await ask(path)).headers['idempotency-replayed']).toBe('true');
    expect(await customer.balance()).toBe('9.5');
  });

  test.each([
    ['/v1/small-replay', 'is larger than the route keeps'],
    ['/v1/no-replay', 'is of a route that keeps none'],
  ])('names the charge if the answer of %s %s', async (path) => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const first = await ask(path);
    await expect.poll(() => isUsed(customer)).toBe(true);
    const again = await ask(path);
    expect(again.status).toBe(409);
    expect(JSON.parse(again.body)).toEqual({
      code: 'already_answered',
      detail: expect.any(String),
      charge_id: first.headers['x-charge-id'],
    });
    expect(await customer.balance()).toBe('9.5');
  });

  test('keeps a paid error, and gives it again', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const path = `/v1/paid-errors?status=404&mark=${newKey()}`;
    const [first, again] = [await ask(path), await ask(path)];
    expect([first.status, again.status, again.body]).toEqual([404, 404, first.body]);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(await customer.balance()).toBe('9.5');
  });

  test.each([1_000, 0])('that is refused for lack of credit leaves no row', async (times) => {
    const customer = await gateway.customer(times === 0 ? '0' : '0.5');
    const ask = asking(customer);
    for (let turn = 0; turn < 7; turn += 1) expect((await ask('/v1/counted')).status).toBe(402);
    expect(await claimsOf(customer)).toBe(0);
    const granted = await call('POST', `${gateway.url}/v1/accounts/${customer.account}/grants`, {
      key: gateway.operatorKey,
      idempotencyKey: newKey(),
      body: { amount: '9' },
    });
    expect(granted.status).toBe(201);
    expect((await ask('/v1/counted')).status).toBe(200);
  });

  test('gives its answer again although the account has nothing left', async () => {
    const customer = await gateway.customer('0.5');
    const ask = asking(customer);
    const [first, again] = [await ask('/v1/fixed'), await ask('/v1/fixed')];
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect((await asking(customer)('/v1/fixed')).status).toBe(402);
    expect(await claimsOf(customer)).toBe(1);
  });

  test('is forgotten after 24 hours, with its answer', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const path = `/v1/fixed?mark=${newKey()}`;
    await ask(path);
    await db.query(
      `update idempotent_calls set expires_at = clock_timestamp() where account_id = $1`,
      [customer.account.slice(0, 32)],
    );
    const again = await ask(path);
    expect(again.headers).not.toHaveProperty('idempotency-replayed');
    expect(await customer.balance()).toBe('9');
  });
});

describe('a client that leaves', () => {
  test.each([
    ['/v1/fixed?do=late', { leaveAfter: 0 }, '9.5'],
    ['/v1/counted?do=late&items=2', { leaveAfter: 0 }, '9.3'],
    ['/v1/events?do=events&items=4', { leaveAfter: 5 }, '9.6'],
    ['/v1/fixed?do=trickle', { leaveAfter: 5 }, '9.5'],
  ])('finds the whole answer of %s under its key', async (path, leave, left) => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const mark = `mark=${newKey()}`;
    const first = await ask(`${path}&${mark}`, leave);
    expect(first.isWhole).toBe(false);
    await expect.poll(() => isUsed(customer), { timeout: 5_000 }).toBe(true);
    expect(await customer.balance()).toBe(left);
    const again = await ask(`${path}&${mark}`);
    expect([again.status, again.isWhole]).toEqual([200, true]);
    expect(again.headers['idempotency-replayed']).toBe('true');
    const whole = await customer.get(`${path}&${mark}`);
    expect(again.body).toBe(whole.body);
    expect(seen(mark)).toBe(2);
  });

  test.each([
    ['/v1/fixed?do=drop&after=600', 'drops it then'],
    ['/v1/fixed?status=503&after=600', 'refuses it then'],
    ['/v1/short?do=silence', 'takes too long'],
    ['/v1/counted?do=snap&after=600&type=text/plain', 'breaks off then'],
    ['/v1/failing?do=events&after=600&then=error', 'reports an error then'],
    ['/v1/failing?do=events&then=error', 'reports an error in the middle', 5],
  ])('pays nothing for %s under its key if the upstream %s', async (path, _, leaveAfter = 0) => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const first = await ask(path, { leaveAfter });
    expect(first.isWhole).toBe(false);
    await expect.poll(() => claimsOf(customer), { timeout: 5_000 }).toBe(0);
    expect(await customer.balance()).toBe('10');
    expect((await ask(path)).headers).not.toHaveProperty('idempotency-replayed');
  });

  test('ends the upstream at once without a key', async () => {
    const customer = await gateway.customer('10');
    const before = gateway.upstream.aborted();
    await customer.get('/v1/fixed?do=hang', { leaveAfter: 1 });
    await expect.poll(() => gateway.upstream.aborted()).toBe(before + 1);
    await expect.poll(() => customer.balance()).toBe('9.5');
  });

  test('pays the maximum if its answer becomes larger than is kept, and the upstream ends', async () => {
    const customer = await gateway.customer('10');
    const before = gateway.upstream.aborted();
    const ask = asking(customer);
    const path = '/v1/small-replay?do=pour&bytes=100000000';
    await ask(path, { leaveAfter: 1 });
    await expect.poll(() => gateway.upstream.aborted()).toBe(before + 1);
    await expect.poll(() => isUsed(customer)).toBe(true);
    const again = await ask(path);
    expect([again.status, codeOf(again.body)]).toEqual([409, 'already_answered']);
    expect(await customer.balance()).toBe('9.5');
  });
});

describe('a thief', () => {
  test('pays for a stream that it reads, closes before its end and repeats', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const path = '/v1/short-events?do=events&then=silence';
    const first = await ask(path, { leaveAfter: 60 });
    expect(first.body).toContain('data:');
    await ask(path, { leaveAfterMs: 100 });
    await expect.poll(() => isUsed(customer), { timeout: 5_000 }).toBe(true);
    const again = await ask(path);
    expect([again.status, codeOf(again.body)]).toEqual([409, 'already_answered']);
    expect(await customer.balance()).toBe('8');
  });

  test('gets nothing back for a paid call that it repeats with another Accept', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    await ask('/v1/events?do=events&items=20');
    const other = await ask('/v1/events?do=events&items=20&status=406', {
      headers: { accept: 'application/xml' },
    });
    expect(other.status).toBe(422);
    expect(await customer.balance()).toBe('8');
  });

  test('gets one answer for one price if it takes nearly all of it five times', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const path = `/v1/fixed?do=trickle&mark=${newKey()}`;
    for (let turn = 0; turn < 5; turn += 1) await ask(path, { leaveAfter: 10 });
    await expect.poll(() => isUsed(customer)).toBe(true);
    expect(seen(path.slice(-10))).toBe(1);
    expect(await customer.balance()).toBe('9.5');
  });
});

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});

/** The number of the customer's idempotency keys that have a row. */
async function claimsOf({ account }: Customer): Promise<number> {
  const rows = await db.query('select from idempotent_calls where account_id = $1', [
    account.slice(0, 32),
  ]);
  return rows.length;
}

/** Whether the customer's newest key is used. */
async function isUsed({ account }: Customer): Promise<boolean | undefined> {
  const [row] = await db.query<{ is_used: boolean }>(
    'select is_used from idempotent_calls where account_id = $1',
    [account.slice(0, 32)],
  );
  return row?.is_used;
}
