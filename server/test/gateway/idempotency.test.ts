import { describe, expect, test } from 'vitest';
import { verify } from '../../src/ledger/verify.ts';
import { call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { type Customer, newKey, type SendOptions, useGateway } from './rig.ts';

const db = useDatabase();
const gateway = useGateway(db, PRICES);

const codeOf = (body: string): string => JSON.parse(body).code;

function asking(customer: Customer, idempotencyKey = newKey()) {
  return (path: string, options: SendOptions = {}) =>
    customer.get(path, { ...options, headers: { 'idempotency-key': idempotencyKey } });
}

describe("a customer's idempotency key", () => {
  test('buys one answer', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    expect((await ask('/v1/fixed?mark=once')).status).toBe(200);
    const again = await ask('/v1/fixed?mark=once');
    expect([again.status, codeOf(again.body)]).toEqual([409, 'already_answered']);
    expect(gateway.upstream.requests.filter(({ url }) => url.includes('once')).length).toBe(1);
    expect(await customer.balance()).toBe('9.5');
  });

  test('is refused for another request, and where it is misspelt', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    await ask('/v1/fixed');
    const other = await ask('/v1/fixed?other=1');
    expect([other.status, codeOf(other.body)]).toEqual([422, 'idempotency_key_reused']);
    const misspelt = await asking(customer, 'a b')('/v1/fixed');
    expect([misspelt.status, codeOf(misspelt.body)]).toEqual([400, 'idempotency_key_invalid']);
  });

  test("is the customer's own: another account and the operator have theirs", async () => {
    const [one, other] = [await gateway.customer('10'), await gateway.customer('10')];
    const key = newKey();
    expect((await asking(one, key)('/v1/fixed')).status).toBe(200);
    expect((await asking(other, key)('/v1/fixed')).status).toBe(200);
  });

  test('that is sent 20 times at once is forwarded once', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/v1/fixed?mark=20')));
    const good = answers.filter(({ status }) => status === 200);
    const codes = new Set(answers.filter((a) => a.status !== 200).map((a) => codeOf(a.body)));
    expect(good.length).toBe(1);
    expect(
      [...codes].filter((code) => !['in_progress', 'already_answered'].includes(code)),
    ).toEqual([]);
    expect(await customer.balance()).toBe('9.5');
  });

  test('waits while the first attempt runs, on every node', async () => {
    const customer = await gateway.customer('10');
    const node = await gateway.another();
    const ask = asking(customer);
    const first = ask('/v1/fixed?do=silence&mark=runs', { leaveAfter: 0 });
    await expect
      .poll(() => gateway.upstream.requests.some(({ url }) => url.includes('mark=runs')))
      .toBe(true);
    for (const url of [gateway.url, node.url]) {
      const second = await ask('/v1/fixed?do=silence&mark=runs', { url });
      expect([second.status, codeOf(second.body)]).toEqual([409, 'in_progress']);
      expect(second.headers['retry-after']).toBe('1');
    }
    await first;
    await node.end();
  });

  test.each([
    ['/v1/fixed?status=503', '10'],
    ['/v1/fixed?do=drop', '10'],
    ['/v1/counted?status=503', '10'],
  ])('may be tried again after %s, and costs nothing until it is answered', async (path, left) => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await ask(path)).status).toBeGreaterThanOrEqual(500);
      await expect.poll(() => customer.balance()).toBe(left);
    }
  });

  test('is paid once where the client leaves and asks again', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const path = '/v1/fixed?do=hang';
    await ask(path, { leaveAfter: 1 });
    await settled(customer);
    expect(await customer.balance()).toBe('9.5');
    await ask(path, { leaveAfter: 1 });
    await settled(customer);
    expect(await customer.balance()).toBe('9.5');
  });

  test('has the ending of its last attempt', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const mark = `mark=${newKey()}`;
    await ask(`/v1/fixed?do=silence-once&${mark}`, { leaveAfter: 0 });
    await settled(customer);
    const again = await ask(`/v1/fixed?do=silence-once&${mark}`);
    expect(again.status).toBe(200);
    expect(await customer.balance()).toBe('9.5');
    const receipt = () => customer.receipt(String(again.headers['x-charge-id']));
    await expect
      .poll(receipt, { timeout: 5_000 })
      .toMatchObject({ amount: '0.5', call: { ending: 'delivered', status: 200 } });
  });

  test('pays only the last attempt of an answer that is counted', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const path = '/v1/events?do=events&then=silence';
    for (let turn = 0; turn < 2; turn += 1) {
      await ask(path, { leaveAfter: 30 });
      await settled(customer);
      expect(await customer.balance()).toBe('8');
    }
  });

  test('does not buy the upstream for ever', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer);
    const statuses = [];
    for (let turn = 0; turn < 5; turn += 1) {
      statuses.push((await ask('/v1/fixed?status=503')).status);
      await settled(customer);
    }
    expect(statuses).toEqual([503, 503, 503, 503, 503]);
    const last = await ask('/v1/fixed?status=503');
    expect([last.status, codeOf(last.body)]).toEqual([409, 'too_many_attempts']);
    expect(await customer.balance()).toBe('10');
  });

  test('that was refused for want of credit is as good as new', async () => {
    const customer = await gateway.customer('0.4');
    const ask = asking(customer);
    for (let turn = 0; turn < 7; turn += 1) expect((await ask('/v1/fixed')).status).toBe(402);
    const granted = await call('POST', `${gateway.url}/v1/accounts/${customer.account}/grants`, {
      key: gateway.operatorKey,
      idempotencyKey: newKey(),
      body: { amount: '1' },
    });
    expect(granted.status).toBe(201);
    expect((await ask('/v1/fixed')).status).toBe(200);
    expect(await customer.balance()).toBe('0.9');
  });

  test('after all of it the books add up', async () => {
    expect((await verify(db.database)).problem).toBeNull();
  });
});

/** Waits until no attempt of the customer's is under way. */
async function settled({ account }: Customer): Promise<void> {
  const running = () =>
    db.query('select from call_claims where account_id = $1 and outcome is null', [
      account.slice(0, 32),
    ]);
  await expect.poll(running).toEqual([]);
}
