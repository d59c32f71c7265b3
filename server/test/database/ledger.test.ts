import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { changeAccount, lockBalance } from '../../src/ledger/accounts/accounts.ts';
import { findReceipt, listCharges } from '../../src/ledger/history/lists.ts';
import { readBalance } from '../../src/ledger/lane/unlocked-read.ts';
import type { Operation } from '../../src/ledger/operations/operations.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import {
  chargeOf,
  digest,
  grantOf,
  newAccount,
  newLedger,
  tally,
  useLedger,
  wanted,
} from './rig.ts';

const db = useDatabase();
const rig = useLedger(db.database);

const submit = (operation: Operation) => rig.ledger.submit(operation, wanted);

/** Holds an account's lock in a separate session until `release` is called. */
async function holdLock(account: string): Promise<{ release(): Promise<void> }> {
  const client = new pg.Client(db.config);
  await client.connect();
  await client.query('begin');
  await client.query('select from balances where account_id = $1 for no key update', [account]);
  return {
    release: async () => {
      await client.query('rollback');
      await client.end();
    },
  };
}

describe('races', () => {
  test('64 clients buy exactly what the pool has, from several grants, and the balance ends at 0', async () => {
    const account = await newAccount(db.database);
    const price = 500_000n;
    const credit = [70n, 1n, 29n, 100n];
    for (const calls of credit) await submit(grantOf(account, calls * price - 7n));
    await submit(grantOf(account, 28n));
    const clients = Array.from({ length: 64 }, async () => {
      const outcomes = [];
      for (let call = 0; call < 5; call += 1) {
        outcomes.push(await submit(chargeOf(account, { amount: price })));
      }
      return outcomes;
    });
    const outcomes = (await Promise.all(clients)).flat();
    expect(tally(outcomes)).toEqual({ recorded: 200, insufficient_credits: 120 });
    expect(await readBalance(db.database, account.publicId)).toMatchObject({
      posted: 0n,
      available: 0n,
    });
    expect(await verify(db.database)).toMatchObject({ problem: null });
  });

  test('two nodes that race on the same accounts sell exactly what is there', async () => {
    const other = newLedger(db.database);
    const accounts = await Promise.all([1, 2, 3].map(() => newAccount(db.database)));
    for (const account of accounts) {
      for (const amount of [13n, 40n, 47n]) await submit(grantOf(account, amount));
    }
    const nodes = [rig.ledger, other.ledger];
    const clients = Array.from({ length: 32 }, async (_, client) => {
      const outcomes = [];
      for (let call = 0; call < 12; call += 1) {
        for (const account of accounts) {
          const node = nodes[(client + call) % 2];
          outcomes.push(await node?.submit(chargeOf(account), wanted));
        }
      }
      return outcomes.filter((outcome) => outcome !== undefined);
    });
    const outcomes = (await Promise.all(clients)).flat();
    expect(tally(outcomes)).toEqual({ recorded: 300, insufficient_credits: 32 * 12 * 3 - 300 });
    await other.ledger.stop();
    expect(await verify(db.database)).toMatchObject({ problem: null });
  });

  test('the same idempotency key 100 times at once makes one charge and 100 equal answers', async () => {
    const other = newLedger(db.database);
    const account = await newAccount(db.database);
    await submit(grantOf(account, 1_000n));
    const same = chargeOf(account, { amount: 3n, idempotencyDigest: digest('same') });
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, n) => (n % 2 ? rig : other).ledger.submit(same, wanted)),
    );
    await other.ledger.stop();
    expect(tally(outcomes)).toEqual({ recorded: 1, replayed: 99 });
    const receipts = new Set(
      outcomes.map((outcome) =>
        JSON.stringify('receipt' in outcome && outcome.receipt, (_, value) =>
          typeof value === 'bigint' ? `${value}` : value,
        ),
      ),
    );
    expect(receipts.size).toBe(1);
    const { items } = await listCharges(db.database, account.id, { limit: 10 });
    expect(items).toHaveLength(1);
  });
});

describe('a replay', () => {
  test('answers the receipt as it was, long after and from any node', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10n));
    const charge = chargeOf(account, {
      amount: 4n,
      description: 'a "quoted" \\ {text}, NULL',
      metadata: '{"z":1,"a":"\\\\ \\" , {}"}',
    });
    const first = await submit(charge);
    await submit(chargeOf(account, { amount: 5n }));
    const other = newLedger(db.database);
    const again = await other.ledger.submit(charge, wanted);
    await other.ledger.stop();
    if (first.kind !== 'recorded') throw new Error('not recorded');
    expect(again).toEqual({ kind: 'replayed', receipt: first.receipt });
    expect(await findReceipt(db.database, first.receipt, 'charge')).toEqual(first.receipt);
  });

  test('with another payload is refused and changes nothing', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10n));
    const idempotencyDigest = digest('once');
    await submit(chargeOf(account, { idempotencyDigest }));
    const other = await submit(
      chargeOf(account, { idempotencyDigest, fingerprint: digest('another payload') }),
    );
    expect(other).toMatchObject({ kind: 'refused', refusal: { code: 'idempotency_key_reused' } });
    expect(await readBalance(db.database, account.publicId)).toMatchObject({ posted: 9n });
  });
});

describe('an operation that cannot be written', () => {
  test('fails alone in a full batch, and its neighbours are recorded', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10_000n));
    const operations = Array.from({ length: 400 }, (_, n) =>
      chargeOf(account, n === 123 ? { description: 'no text has a NUL: \0' } : {}),
    );
    const outcomes = await Promise.all(operations.map(submit));
    expect(outcomes[123]).toEqual({ kind: 'failed', code: 'internal_error' });
    expect(tally(outcomes)).toEqual({ recorded: 399, internal_error: 1 });
    expect(await readBalance(db.database, account.publicId)).toMatchObject({ posted: 9_601n });
    expect(await verify(db.database)).toMatchObject({ problem: null });
  });
});

describe('an account that another session has locked', () => {
  test('is answered 503 account_busy while the others of the batch go on', async () => {
    const [busy, free] = [await newAccount(db.database), await newAccount(db.database)];
    await submit(grantOf(busy, 10n));
    await submit(grantOf(free, 10n));
    const lock = await holdLock(busy.id);
    const [ofBusy, ofFree] = await Promise.all([submit(chargeOf(busy)), submit(chargeOf(free))]);
    await lock.release();
    expect(ofBusy).toEqual({ kind: 'failed', code: 'account_busy' });
    expect(ofFree).toMatchObject({ kind: 'recorded' });
    expect(await submit(chargeOf(busy))).toMatchObject({ kind: 'recorded' });
  });

  test('is waited for, and the batch then decides on the state that was committed meanwhile', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10n));
    const lock = await holdLock(account.id);
    const charge = submit(chargeOf(account, { amount: 10n }));
    const suspension = changeAccount(db.database, account.publicId, { status: 'suspended' });
    await delay(50);
    await lock.release();
    await suspension;
    const late = await submit(chargeOf(account, { amount: 1n }));
    expect(late).toMatchObject({ kind: 'refused', refusal: { code: 'account_suspended' } });
    const outcome = await charge;
    const { posted } = (await readBalance(db.database, account.publicId)) ?? {};
    expect(posted).toBe(outcome.kind === 'recorded' ? 0n : 10n);
  });
});

describe('the queue', () => {
  test('takes at most its quarter from one account and leaves room for the others', async () => {
    const [hot, other] = [await newAccount(db.database), await newAccount(db.database)];
    const { ledger } = newLedger(db.database);
    const flood = Array.from({ length: 3_000 }, () => ledger.submit(chargeOf(hot), wanted));
    const one = ledger.submit(chargeOf(other), wanted);
    expect(tally(await Promise.all(flood))).toEqual({
      insufficient_credits: 2_500,
      overloaded: 500,
    });
    expect(tally([await one])).toEqual({ insufficient_credits: 1 });
    await ledger.stop();
  });

  test('drops an operation whose client has disconnected before its batch starts', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10n));
    void rig.ledger.submit(chargeOf(account, { amount: 3n }), () => false);
    await submit(chargeOf(account, { amount: 1n }));
    expect(await readBalance(db.database, account.publicId)).toMatchObject({ posted: 9n });
  });

  test('answers every accepted operation before it stops, and accepts none after', async () => {
    const account = await newAccount(db.database);
    const { ledger } = newLedger(db.database);
    const before = Array.from({ length: 50 }, () => ledger.submit(grantOf(account, 1n), wanted));
    const stopped = ledger.stop();
    const after = await ledger.submit(grantOf(account, 1n), wanted);
    await stopped;
    expect(tally(await Promise.all(before))).toEqual({ recorded: 50 });
    expect(after).toEqual({ kind: 'failed', code: 'stopping' });
  });
});

describe('the database', () => {
  test('lets the server neither change nor delete an operation or an entry', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10n));
    for (const text of [
      'update operations set amount = 1',
      'delete from operations',
      'update entries set amount = 1',
      'delete from entries',
      'truncate entries',
      'drop table entries',
    ]) {
      const attempt = db.database.rows({ name: text, text });
      await expect(attempt, text).rejects.toMatchObject({ cause: { code: '42501' } });
    }
  });

  test('keeps the updates of charges on their page (HOT)', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10_000n));
    for (let n = 0; n < 100; n += 1) await submit(chargeOf(account));
    // A backend reports its statistics at the end of a transaction, at most once a second.
    await expect
      .poll(
        async () => {
          await submit(chargeOf(account));
          const [row] = await db.query<{ updates: string; cold: string }>(`
            select sum(n_tup_upd) as updates, sum(n_tup_upd - n_tup_hot_upd) as cold
            from pg_stat_user_tables where relname in ('balances', 'grants')`);
          return Number(row?.updates) > 200 && Number(row?.cold) / Number(row?.updates) < 0.1;
        },
        { timeout: 30_000, interval: 200 },
      )
      .toBe(true);
  });

  test('a change takes the same lock as decisions', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 10n));
    const outcome = await db.database.transaction(async (tx) => {
      await lockBalance(tx, account.id);
      return submit(chargeOf(account));
    });
    expect(outcome).toEqual({ kind: 'failed', code: 'account_busy' });
  });
});
