import { afterAll, beforeAll, expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { asksToCommit, saysCommitted, startProxy } from '../database/proxy.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { newKey, useGateway } from './rig.ts';

/** A payment that commits although its answer is lost, because PostgreSQL becomes unreachable. */

const db = useDatabase();
let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  proxy = await startProxy(db.config);
});
afterAll(() => proxy.close());
const gateway = useGateway(
  {
    ...db,
    get databaseUrl() {
      const { host, port, user, database } = proxy.config;
      return `postgresql://${user}@/${database}?host=${encodeURIComponent(String(host))}&port=${port}`;
    },
  },
  PRICES,
);

/** Makes PostgreSQL unreachable from the next commit of a charge, until the lane has given up. */
function goAway(): void {
  let isCharging = false;
  proxy.weather = {
    toServer: (data) => {
      isCharging ||= asksToCommit(data);
      return true;
    },
    toClient: (data) => {
      if (!isCharging || !saysCommitted(data)) return true;
      proxy.weather = { refuse: true };
      return false;
    },
  };
}

test.each([
  ['with an idempotency key', { 'idempotency-key': newKey() }],
  ['without one', {}],
])(
  'a call whose payment is unknown is not forwarded, and given back, %s',
  async (_, headers) => {
    const customer = await gateway.customer('10');
    const path = `/v1/fixed?mark=${newKey()}`;
    goAway();
    const answer = await customer.get(path, { headers });
    proxy.weather = {};
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'outcome_unknown']);
    expect(gateway.upstream.requests.filter(({ url }) => url.endsWith(path))).toEqual([]);
    await expect.poll(() => customer.balance(), { timeout: 10_000 }).toBe('10');
    const again = async () => (await customer.get(path, { headers })).status;
    await expect.poll(again, { timeout: 10_000, interval: 200 }).toBe(200);
    expect(await customer.balance()).toBe('9.5');
  },
  40_000,
);

test('a server that stops gives such a payment back first, if PostgreSQL comes back in time', async () => {
  const customer = await gateway.customer('10');
  const node = await gateway.another();
  goAway();
  const answer = await customer.get('/v1/fixed', { url: node.url });
  expect(JSON.parse(answer.body).code).toBe('outcome_unknown');
  const stopped = node.end();
  await expect.poll(() => node.output()).toContain('the server stops');
  proxy.weather = {};
  expect(await stopped).toBe(0);
  expect(await customer.balance()).toBe('10');
}, 40_000);

test('a claim whose answer was lost does not keep the idempotency key', async () => {
  const customer = await gateway.customer('10');
  const headers = { 'idempotency-key': newKey() };
  let isClaiming = false;
  proxy.weather = {
    toServer: (data) => {
      isClaiming ||= data.includes('claim_call\0');
      return true;
    },
    toClient: (data) => {
      if (!isClaiming || !data.includes('INSERT 0 1\0')) return true;
      proxy.weather = {};
      return false;
    },
  };
  expect((await customer.get('/v1/fixed', { headers })).status).toBe(503);
  expect(isClaiming).toBe(true);
  const again = async () => (await customer.get('/v1/fixed', { headers })).status;
  await expect.poll(again, { timeout: 5_000, interval: 200 }).toBe(200);
  expect(await customer.balance()).toBe('9.5');
}, 40_000);

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});
