import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { startProxy, type Weather } from '../database/proxy.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { type Customer, newKey, useGateway } from './rig.ts';

/** A delivered call is paid once, whatever the state of PostgreSQL when the call ends. */

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

/** Calls that are answered 600 ms after the upstream has them, and what they cost in cents. */
const CALLS = [
  { path: '/v1/counted?do=late&items=7', cost: 1.2 },
  { path: '/v1/events?do=events&items=7&after=600', cost: 0.7 },
];

interface Delivery {
  readonly customer: Customer;
  readonly cents: number;
  readonly cost: number;
}

/** Makes both calls, does something while their answers are on their way, and expects them whole. */
async function deliverDuring(
  cents: number,
  act: (accounts: readonly string[]) => Promise<unknown> | unknown,
): Promise<Delivery[]> {
  const deliveries = await Promise.all(
    CALLS.map(async (call) => ({ ...call, cents, customer: await gateway.customer(`${cents}`) })),
  );
  const calls = deliveries.map(({ customer, path }) => call(customer, path));
  await Promise.all(calls.map(({ isAtUpstream }) => isAtUpstream));
  await act(deliveries.map(({ customer }) => customer.account.slice(0, 32)));
  for (const { answered } of calls) {
    expect(await answered).toMatchObject({ status: 200, isWhole: true });
  }
  return deliveries;
}

/** Makes a call, and says when the upstream has it. */
function call(customer: Customer, path: string) {
  const mark = `mark=${newKey()}`;
  const answered = customer.get(`${path}&${mark}`);
  const isAtUpstream = expect
    .poll(() => gateway.upstream.requests.some(({ url }) => url.includes(mark)), { interval: 2 })
    .toBe(true);
  return { answered, isAtUpstream };
}

/** Expects that each customer has paid what their call costs, at last. */
function expectPaid(deliveries: readonly Delivery[], timeout = 20_000) {
  return expect
    .poll(() => Promise.all(deliveries.map(({ customer }) => availableOf(customer))), { timeout })
    .toEqual(deliveries.map(({ cents, cost }) => cents - cost));
}

/** The balance in cents, read without the proxy. */
async function availableOf({ account }: Customer): Promise<number> {
  const [row] = await db.query<{ available: string }>(
    'select ((posted - held) / 1e6)::float8::text as available from balances where account_id = $1',
    [account.slice(0, 32)],
  );
  return Number(row?.available);
}

/** Ends all PostgreSQL backends of the gateway, so that it must reconnect. */
const cut = () =>
  db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name like 'purser%'
       and pid <> pg_backend_pid()`,
  );

describe('delivered calls are paid', () => {
  test.each<[string, Weather]>([
    ['refuses connections', { refuse: true }],
    ['answers nothing', { silent: true }],
  ])(
    'though PostgreSQL %s when they end',
    async (_, weather) => {
      const deliveries = await deliverDuring(10, async () => {
        proxy.weather = weather;
        if (weather.refuse) await cut();
      });
      for (const { customer, cents, cost } of deliveries) {
        expect(await availableOf(customer)).toBeLessThan(cents - cost);
      }
      proxy.weather = {};
      await expectPaid(deliveries);
    },
    40_000,
  );

  test('though the database is read-only when they end', async () => {
    const [{ name }] = (await db.query<{ name: string }>('select current_database() as name')) as [
      { name: string },
    ];
    const deliveries = await deliverDuring(10, async () => {
      await db.query(`alter database "${name}" set default_transaction_read_only = on`);
      await cut();
    });
    await db.query(
      `begin read write; alter database "${name}" reset default_transaction_read_only; commit`,
    );
    await cut();
    await expectPaid(deliveries);
  }, 40_000);

  test('though their accounts are locked when they end', async () => {
    let locked: Promise<unknown> = Promise.resolve();
    const deliveries = await deliverDuring(10, (accounts) => {
      locked = db.query(`do $$ begin
        perform from balances where account_id in ('${accounts.join("', '")}') for update;
        perform pg_sleep(6);
      end $$`);
    });
    await locked;
    await expectPaid(deliveries, 10_000);
  }, 40_000);

  test('late, if their holds have expired meanwhile, though the accounts cannot pay any more', async () => {
    let ids: readonly string[] = [];
    const deliveries = await deliverDuring(2.5, async (accounts) => {
      ids = accounts;
      proxy.weather = { refuse: true };
      await cut();
    });
    const now = `date_trunc('milliseconds', clock_timestamp())`;
    for (const change of [
      `operations set expires_at = ${now} where kind = 'hold' and account_id = any($1)`,
      `holds set expires_at = ${now} where account_id = any($1)`,
      `balances set next_due_at = ${now} where account_id = any($1)`,
      `accounts set status = 'suspended' where id = any($1)`,
    ]) {
      await db.query(`update ${change}`, [ids]);
    }
    proxy.weather = {};
    await expectPaid(deliveries);
    const late = `select amount, call ->> 'late' as late from operations
                  where account_id = any($1) and kind = 'charge' order by amount desc`;
    expect(await db.query(late, [ids])).toEqual(
      deliveries.map(({ cost }) => ({ amount: String(cost * 1e6), late: 'true' })),
    );
    await db.query(`update accounts set status = 'active' where id = any($1)`, [ids]);
    for (const { customer } of deliveries) {
      const charges = await fetch(`${gateway.url}/v1/billing/charges`, {
        headers: { 'x-api-key': customer.key },
      });
      const { data } = (await charges.json()) as { data: { id: string; attributes: object }[] };
      expect(data).toHaveLength(1);
      await expect(customer.receipt(data[0]?.id)).resolves.toMatchObject({
        call: { ending: 'delivered', status: 200, late: true },
      });
    }
  }, 40_000);
});

test('a call with an idempotency key is kept although PostgreSQL is unreachable when it ends', async () => {
  const customer = await gateway.customer('10');
  const headers = { 'idempotency-key': newKey() };
  const path = `/v1/events?do=events&items=7&mark=${newKey()}`;
  const answered = customer.get(path, { headers });
  await expect
    .poll(() => gateway.upstream.requests.some(({ url }) => url.endsWith(path)), { interval: 2 })
    .toBe(true);
  proxy.weather = { refuse: true };
  await cut();
  const { body } = await answered;
  proxy.weather = {};
  const again = async () => (await customer.get(path, { headers })).headers['idempotency-replayed'];
  await expect.poll(again, { timeout: 20_000, interval: 200 }).toBe('true');
  expect((await customer.get(path, { headers })).body).toBe(body);
  expect(await availableOf(customer)).toBe(9.3);
}, 40_000);

test('a free call is given back although PostgreSQL is unreachable when it ends', async () => {
  const customer = await gateway.customer('10');
  const { answered, isAtUpstream } = call(customer, '/v1/short?do=silence');
  await isAtUpstream;
  proxy.weather = { refuse: true };
  await cut();
  expect((await answered).status).toBe(504);
  proxy.weather = {};
  await expect.poll(() => availableOf(customer), { timeout: 20_000 }).toBe(10);
}, 40_000);

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});
