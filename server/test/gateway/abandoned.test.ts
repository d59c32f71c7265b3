import { describe, expect, test } from 'vitest';
import type { Database, Statement } from '../../src/db/connection/database.ts';
import { IdempotencyKeys } from '../../src/gateway/idempotency/idempotency.ts';
import type { Purchase } from '../../src/gateway/payment/purchase.ts';
import { accountIdOf } from '../../src/ledger/operations/ids.ts';
import type { Digest } from '../../src/ledger/operations/operations.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { type Customer, newKey, useGateway } from './rig.ts';

/** Attempts with an idempotency key that a killed server left without an end. */

const db = useDatabase();
const gateway = useGateway(db, PRICES);

/** Makes a function that repeats one call, always with the same idempotency key. */
function asking(customer: Customer, path: string) {
  const headers = { 'idempotency-key': newKey() };
  return () => customer.get(path, { headers });
}

/**
 * Changes the row as if the server had died before the end of the attempt; without `isPaid`, before
 * its payment.
 */
async function abandon({ account }: Customer, { isPaid }: { isPaid: boolean }): Promise<void> {
  await db.query(
    `update idempotent_calls
     set is_used = false, charge = null, status = null, headers = null, body = null,
         until = clock_timestamp(),
         payment_digest = case when $2 then payment_digest else decode(repeat('00', 16), 'hex') end
     where account_id = $1`,
    [account.slice(0, 32), isPaid],
  );
}

const rowsOf = ({ account }: Customer) =>
  db.query('select is_used from idempotent_calls where account_id = $1', [account.slice(0, 32)]);

describe('an attempt that nobody ended', () => {
  test.each([
    ['/v1/fixed', '10'],
    ['/v1/counted?items=3', '10'],
    ['/v1/fixed', '0.5'],
    ['/v1/counted?items=20', '2.5'],
  ])('and that was paid has used its key: %s with %s cents', async (path, cents) => {
    const customer = await gateway.customer(cents);
    const ask = asking(customer, path);
    const { headers } = await ask();
    const left = await customer.balance();
    await abandon(customer, { isPaid: true });
    const again = await ask();
    expect(again.status).toBe(409);
    expect(JSON.parse(again.body)).toMatchObject({
      code: 'already_answered',
      charge_id: headers['x-charge-id'],
    });
    expect(await rowsOf(customer)).toEqual([{ is_used: true }]);
    expect(await customer.balance()).toBe(left);
  });

  test('and that was not paid leaves its key free', async () => {
    const customer = await gateway.customer('10');
    const ask = asking(customer, '/v1/fixed');
    await ask();
    await abandon(customer, { isPaid: false });
    const again = await ask();
    expect(again.status).toBe(200);
    expect(again.headers).not.toHaveProperty('idempotency-replayed');
    expect(await customer.balance()).toBe('9');
  });

  test('and that was not paid leaves no row if the account has nothing left', async () => {
    const customer = await gateway.customer('0.5');
    const ask = asking(customer, '/v1/fixed');
    await ask();
    await abandon(customer, { isPaid: false });
    expect((await ask()).status).toBe(402);
    expect(await rowsOf(customer)).toEqual([]);
  });
});

describe('an attempt that ends between the look into the ledger and the end that another gives it', () => {
  const digest = (byte: string) => `\\x${byte.repeat(16)}` as Digest;
  const FINGERPRINT = digest('11');
  const ANSWER = { status: 200, headers: {}, body: Buffer.from('the paid answer') };

  /** Idempotency keys whose owner ends its attempt just after another request asked the ledger. */
  async function paused() {
    const customer = await gateway.customer('10');
    const account = accountIdOf(customer.account);
    const purchaseOf = (byte: string) =>
      ({ account, digest: digest(byte), priced: { route: { longestMs: 1_000 } } }) as Purchase;
    let end: (() => Promise<void>) | undefined;
    const database: Database = {
      rows: async (statement: Statement, values?: readonly unknown[]) => {
        const rows = await db.database.rows(statement, values);
        if (statement.name === 'read_attempt') await end?.();
        return rows as never[];
      },
      transaction: (work, options) => db.database.transaction(work, options),
    };
    const keys = new IdempotencyKeys({ database, log: { warn: () => {} } });
    const key = newKey();
    const claim = await keys.claim(key, FINGERPRINT, purchaseOf('22'));
    if ('answer' in claim) throw new Error('a new key has an answer');
    await db.query('update idempotent_calls set until = clock_timestamp() where account_id = $1', [
      account,
    ]);
    end = () => keys.use(claim, null, ANSWER);
    return { keys, key, account, again: purchaseOf('33') };
  }

  test('keeps its key and its answer, and a second attempt gets that', async () => {
    const { keys, key, again } = await paused();
    expect(await keys.claim(key, FINGERPRINT, again)).toMatchObject({ answer: ANSWER });
  });

  test('keeps its key and its answer, and a search finds that', async () => {
    const { keys, key, account } = await paused();
    expect(await keys.find(account, key, FINGERPRINT)).toMatchObject({ answer: ANSWER });
  });
});

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});
