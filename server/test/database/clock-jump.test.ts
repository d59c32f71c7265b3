import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/auth/api-keys.ts';
import { sha256 } from '../../src/auth/authentication.ts';
import { KeyReads } from '../../src/auth/key-reads.ts';
import { createAccount } from '../../src/ledger/accounts/accounts.ts';
import { readSpendLimit, setSpendLimit } from '../../src/ledger/accounts/spend-limits.ts';
import { findHold } from '../../src/ledger/history/holds.ts';
import { ClockUnreliable, ClockWatch } from '../../src/ledger/lane/clock.ts';
import { foresee, readBalance } from '../../src/ledger/lane/unlocked-read.ts';
import type { Operation, Outcome, SpendOperation } from '../../src/ledger/operations/operations.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { Sweeper } from '../../src/ledger/sweeper.ts';
import { useDatabase } from '../postgres.ts';
import { useClock } from './clock.ts';
import { Counts, chargeOf, digest, grantOf, newAccount, newLedger, wanted } from './rig.ts';

const db = useDatabase();
const clock = useClock(db);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const UNRELIABLE = { kind: 'failed', code: 'clock_unreliable' };
const silent = { warn: () => {}, error: () => {} };

type Account = Awaited<ReturnType<typeof newAccount>>;

/** A node: its ledger, its sweeper, and their log. */
function newNode() {
  const { ledger } = newLedger(db.database);
  return {
    ledger,
    sweeper: new Sweeper(db.database, ledger, silent),
    submit: (operation: Operation) => ledger.submit(operation, wanted),
  };
}
let node = newNode();

afterEach(async () => {
  await node.ledger.stop();
  await clock.shift(0);
  node = newNode();
});

const termsUntil = (expiresAt: number) =>
  ({ category: 'paid', priority: 0, effectiveAt: null, expiresAt, appliesTo: null }) as const;
const holdOf = (account: Account) =>
  ({
    ...chargeOf(account, { amount: 10n }),
    kind: 'hold',
    expiresInMs: 2 * MINUTE_MS,
  }) as Operation;
const captureOf = (account: Account, hold: bigint) =>
  ({
    ...grantOf(account, 10n),
    idempotencyDigest: digest(randomUUID()),
    kind: 'capture',
    hold,
  }) as unknown as Operation;

function numberOf(outcome: Outcome): bigint {
  if (outcome.kind !== 'recorded') throw new Error(`not recorded: ${JSON.stringify(outcome)}`);
  return outcome.receipt.number;
}

/**
 * An account with a grant that ends in an hour, a grant without an end, and a hold of two minutes.
 */
async function holder() {
  const account = await newAccount(db.database);
  await node.submit(grantOf(account, 7n, { terms: termsUntil(Date.now() + HOUR_MS) }));
  await node.submit(grantOf(account, 100n));
  const hold = numberOf(await node.submit(holdOf(account)));
  return { account, hold };
}

const kindsOf = async (account: Account) => {
  const rows = await db.query<{ kind: string }>(
    'select kind from operations where account_id = $1 order by number',
    [account.id],
  );
  return rows.map(({ kind }) => kind);
};
const BOOKED = ['grant', 'grant', 'hold'];
const WRITTEN = { posted: 107n, held: 10n, available: 97n };

describe("while the database's clock is two hours ahead of the node's own", () => {
  test('no grant ends, no hold expires and nothing is decided, until the clock is right again', async () => {
    const { account, hold } = await holder();
    await clock.shift(2 * HOUR_MS);
    for (const operation of [chargeOf(account), grantOf(account, 1n), captureOf(account, hold)]) {
      expect(await node.submit(operation)).toEqual(UNRELIABLE);
    }
    expect(await node.ledger.advance(account.id)).toEqual(UNRELIABLE);
    expect(await node.sweeper.sweep()).toBe(false);
    expect(node.ledger.clock.isReliable).toBe(false);
    expect(await kindsOf(account)).toEqual(BOOKED);

    await clock.shift(0);
    await node.sweeper.sweep();
    expect(node.ledger.clock.isReliable).toBe(true);
    expect(await node.submit(captureOf(account, hold))).toMatchObject({ kind: 'recorded' });
    expect((await verify(db.database)).problem).toBeNull();
  });

  test('reads answer as booked, and none uses that clock', async () => {
    const { account, hold } = await holder();
    const terms = { name: null, scopes: null, expiresAt: null };
    const { secret } = await createApiKey(db.database, account.id, terms);
    const reads = new KeyReads(db.database, { observer: new Counts() });
    const limit = { account: account.id, apiKeyId: null, period: 'day' } as const;
    await setSpendLimit(db.database, limit, 1_000n);
    await clock.shift(2 * HOUR_MS);
    expect(await readBalance(db.database, account.publicId)).toMatchObject(WRITTEN);
    expect((await reads.customerKey(sha256(secret)))?.balance.available).toBe(97n);
    const ref = { account: account.id, number: hold };
    expect((await findHold(db.database, ref))?.ending).toBeNull();
    const input = { kind: 'organization', name: 'B', externalId: 'late' } as const;
    for (const asked of [
      () => foresee(db.database, chargeOf(account) as SpendOperation),
      () => readSpendLimit(db.database, limit),
      () => setSpendLimit(db.database, limit, 2_000n),
      () => db.database.transaction((tx) => createAccount(tx, input)),
    ]) {
      await expect(asked()).rejects.toThrow(ClockUnreliable);
    }
    await clock.shift(0);
    expect(await createAccount(db.database, input)).toHaveProperty('created');
    expect(await readSpendLimit(db.database, limit)).toMatchObject({ amount: 1_000n, used: 10n });
    reads.stop();
  });
});

test('a clock that is less than a minute ahead is believed', async () => {
  const { account } = await holder();
  await clock.shift(MINUTE_MS - 5_000);
  expect(await node.submit(chargeOf(account))).toMatchObject({ kind: 'recorded' });
  await clock.shift(0);
  // The account's last operation is now ahead of the clock, so the next one gets the same instant.
  expect(await node.submit(chargeOf(account))).toMatchObject({ kind: 'recorded' });
});

describe("while the database's clock is behind an operation that is booked", () => {
  test('no operation of that account is decided, and the node is not ready', async () => {
    const { account, hold } = await holder();
    await clock.shift(-2 * MINUTE_MS);
    expect(await node.submit(captureOf(account, hold))).toEqual(UNRELIABLE);
    expect(node.ledger.clock.isReliable).toBe(false);
    expect(await readBalance(db.database, account.publicId)).toMatchObject(WRITTEN);
    await clock.shift(0);
    await node.sweeper.sweep();
    expect(node.ledger.clock.isReliable).toBe(true);
    expect(await node.submit(captureOf(account, hold))).toMatchObject({ kind: 'recorded' });
  });
});

describe('an account whose last operation was booked while all clocks were ahead', () => {
  test('waits alone: the others go on, the sweeper passes it by, and the node is ready', async () => {
    const ahead = await holder();
    const other = await holder();
    await db.query(
      `update balances set last_at = pg_catalog.now() + interval '2 hours',
              next_due_at = pg_catalog.now() - interval '1 hour' where account_id = $1`,
      [ahead.account.id],
    );
    await db.query(`update balances set next_due_at = pg_catalog.now() where account_id = $1`, [
      other.account.id,
    ]);
    const [outcome, ofOther] = await Promise.all([
      node.submit(chargeOf(ahead.account)),
      node.submit(chargeOf(other.account)),
    ]);
    expect(outcome).toEqual(UNRELIABLE);
    expect(ofOther).toMatchObject({ kind: 'recorded' });
    expect(node.ledger.clock.isReliable).toBe(true);
    expect(await node.sweeper.sweep()).toBe(false);
    expect(await kindsOf(ahead.account)).toEqual(BOOKED);
    expect(await readBalance(db.database, ahead.account.publicId)).toMatchObject(WRITTEN);
  });
});

describe('a node’s judgement of the clocks', () => {
  const NOW = Date.UTC(2027, 0, 15, 12);
  const watching = () => {
    const lines: string[] = [];
    const note = (details: object, message: string) =>
      lines.push(`${message} ${JSON.stringify(details)}`);
    return { watch: new ClockWatch({ warn: note, error: note }), lines };
  };
  const NONE = Number.NEGATIVE_INFINITY;

  test('is logged once when they begin to disagree, with the cure, and once when they agree', () => {
    const { watch, lines } = watching();
    watch.saw({ clock: NOW, lastAt: NONE }, NOW);
    for (const later of [0, 1_000, 2_000]) {
      watch.saw({ clock: NOW + later + HOUR_MS, lastAt: NONE }, NOW + later);
      expect(watch.isReliable).toBe(false);
    }
    expect(lines).toEqual([expect.stringMatching(/ahead of this machine.* NTP.*T13:00:00/)]);
    watch.saw({ clock: NOW + 3_000, lastAt: NOW }, NOW + 3_000);
    expect(watch.isReliable).toBe(true);
    expect(lines.slice(1)).toEqual([expect.stringContaining('agree again')]);
  });

  test("recovers when the node's own clock is set right, too", () => {
    const { watch } = watching();
    watch.saw({ clock: NOW, lastAt: NOW }, NOW - 2 * HOUR_MS);
    expect(watch.isReliable).toBe(false);
    watch.saw({ clock: NOW + 1_000, lastAt: NOW }, NOW + 1_000);
    expect(watch.isReliable).toBe(true);
  });

  test('is bad while the database’s clock is behind a booked operation, until it has caught up', () => {
    const { watch, lines } = watching();
    watch.saw({ clock: NOW, lastAt: NOW }, NOW);
    watch.saw({ clock: NOW - HOUR_MS, lastAt: NONE }, NOW + 1_000);
    expect(watch.isReliable).toBe(false);
    expect(lines).toEqual([expect.stringMatching(/behind an operation.* NTP/)]);
    watch.saw({ clock: NOW - MINUTE_MS, lastAt: NONE }, NOW + HOUR_MS);
    expect(watch.isReliable).toBe(true);
  });

  test('blames an account and no clock if both clocks are behind it', () => {
    const { watch, lines } = watching();
    for (const second of [0, 1]) {
      const now = NOW + second * 1_000;
      watch.saw({ clock: now, lastAt: NOW + HOUR_MS, account: 'a' }, now);
      expect(watch.isReliable).toBe(true);
    }
    expect(lines).toEqual([expect.stringMatching(/last operation lies in the future.*"a"/)]);
  });

  test('stays good after both clocks were ahead together', () => {
    const { watch } = watching();
    const ahead = NOW + 2 * HOUR_MS;
    watch.saw({ clock: ahead, lastAt: ahead }, ahead);
    watch.saw({ clock: NOW, lastAt: NONE }, NOW);
    expect(watch.isReliable).toBe(true);
  });
});
