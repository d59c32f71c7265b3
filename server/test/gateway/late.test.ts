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

const PATHS = ['/v1/counted?do=late&items=7', '/v1/events?do=events&items=7'];

/** The cost of a call of the path, in cents. */
const costOf = (path: string) => (path.startsWith('/v1/counted') ? 1.2 : 0.7);

/** Runs `act` after the upstream has the request of a call and before its answer is whole. */
async function during(customer: Customer, path: string, act: () => Promise<unknown> | unknown) {
  const mark = `mark=${newKey()}`;
  const answered = customer.get(`${path}&${mark}`);
  await expect
    .poll(() => gateway.upstream.requests.some(({ url }) => url.includes(mark)), { interval: 2 })
    .toBe(true);
  await act();
  return answered;
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

describe.each(PATHS)('the delivered call %s is paid', (path) => {
  test.each<[string, Weather]>([
    ['refuses connections', { refuse: true }],
    ['answers nothing', { silent: true }],
  ])(
    'though PostgreSQL %s when it ends',
    async (_, weather) => {
      const customer = await gateway.customer('10');
      const answer = await during(customer, path, async () => {
        proxy.weather = weather;
        if (weather.refuse) await cut();
      });
      expect([answer.status, answer.isWhole]).toEqual([200, true]);
      expect(await availableOf(customer)).toBeLessThan(10 - costOf(path));
      proxy.weather = {};
      await expect.poll(() => availableOf(customer), { timeout: 20_000 }).toBe(10 - costOf(path));
    },
    40_000,
  );

  test('although the database is read-only when it ends', async () => {
    const customer = await gateway.customer('10');
    const [{ name }] = (await db.query<{ name: string }>('select current_database() as name')) as [
      { name: string },
    ];
    const answer = await during(customer, path, async () => {
      await db.query(`alter database "${name}" set default_transaction_read_only = on`);
      await cut();
    });
    expect([answer.status, answer.isWhole]).toEqual([200, true]);
    await db.query(
      `begin read write; alter database "${name}" reset default_transaction_read_only; commit`,
    );
    await cut();
    await expect.poll(() => availableOf(customer), { timeout: 20_000 }).toBe(10 - costOf(path));
  }, 40_000);

  test('although its account is locked when it ends', async () => {
    const customer = await gateway.customer('10');
    const id = customer.account.slice(0, 32);
    let locked: Promise<unknown> = Promise.resolve();
    const answer = await during(customer, path, () => {
      locked = db.query(`do $$ begin
        perform from balances where account_id = '${id}' for update;
        perform pg_sleep(6);
      end $$`);
    });
    expect([answer.status, answer.isWhole]).toEqual([200, true]);
    await locked;
    await expect.poll(() => availableOf(customer), { timeout: 10_000 }).toBe(10 - costOf(path));
  }, 40_000);

  test('late, if its hold has expired meanwhile, although the account cannot pay any more', async () => {
    const customer = await gateway.customer('2.5');
    const id = customer.account.slice(0, 32);
    const answer = await during(customer, path, async () => {
      proxy.weather = { refuse: true };
      await cut();
    });
    expect([answer.status, answer.isWhole]).toEqual([200, true]);
    const now = `date_trunc('milliseconds', clock_timestamp())`;
    for (const change of [
      `operations set expires_at = ${now} where kind = 'hold' and account_id = $1`,
      `holds set expires_at = ${now} where account_id = $1`,
      `balances set next_due_at = ${now} where account_id = $1`,
      `accounts set status = 'suspended' where id = $1`,
    ]) {
      await db.query(`update ${change}`, [id]);
    }
    proxy.weather = {};
    const late = `select number, amount, call ->> 'late' as late from operations
                  where account_id = $1 and kind = 'charge'`;
    await expect
      .poll(() => db.query(late, [id]), { timeout: 20_000 })
      .toMatchObject([{ amount: String(costOf(path) * 1e6), late: 'true' }]);
    expect(await availableOf(customer)).toBe(2.5 - costOf(path));
    await db.query(`update accounts set status = 'active' where id = $1`, [id]);
    const charges = await fetch(`${gateway.url}/v1/billing/charges`, {
      headers: { 'x-api-key': customer.key },
    });
    const { data } = (await charges.json()) as { data: { id: string; attributes: object }[] };
    expect(data).toHaveLength(1);
    await expect(customer.receipt(data[0]?.id)).resolves.toMatchObject({
      call: { ending: 'delivered', status: 200, late: true },
    });
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
  const answer = await during(customer, '/v1/short?do=silence', async () => {
    proxy.weather = { refuse: true };
    await cut();
  });
  expect(answer.status).toBe(504);
  proxy.weather = {};
  await expect.poll(() => availableOf(customer), { timeout: 20_000 }).toBe(10);
}, 40_000);

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});
