import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/auth/api-keys.ts';
import { sha256 } from '../../src/auth/authentication.ts';
import { KeyReads } from '../../src/auth/key-reads.ts';
import { foresee, readBalance } from '../../src/ledger/lane/unlocked-read.ts';
import type { Operation, Outcome, SpendOperation } from '../../src/ledger/operations/operations.ts';
import { useDatabase } from '../postgres.ts';
import { useClock } from './clock.ts';
import { Counts, chargeOf, digest, grantOf, newAccount, useLedger, wanted } from './rig.ts';

const db = useDatabase();
const clock = useClock(db);
const rig = useLedger(db.database);
const submit = (operation: Operation) => rig.ledger.submit(operation, wanted);

type Account = Awaited<ReturnType<typeof newAccount>>;

/** More than the times that a batch or a read could read the clock. */
const OFFSETS = Array.from({ length: 12 }, (_, offset) => offset);
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;

const holdOf = (account: Account, expiresInMs: number) =>
  ({ ...chargeOf(account, { amount: 10n }), kind: 'hold', expiresInMs }) as Operation;
const captureOf = (account: Account, hold: bigint) =>
  ({
    ...grantOf(account, 1n),
    kind: 'capture',
    idempotencyDigest: digest(randomUUID()),
    hold,
    amount: 10n,
  }) as unknown as Operation;

function receiptOf(outcome: Outcome) {
  if (outcome.kind !== 'recorded') throw new Error(`not recorded: ${JSON.stringify(outcome)}`);
  return outcome.receipt;
}

/**
 * An account with a grant and three holds. The first expires `offset` ms after `due`, the second a
 * second after the first, and the last an hour after the first.
 */
async function holding(offset: number) {
  const made = Date.now();
  await clock.set(made);
  const account = await newAccount(db.database);
  await submit(grantOf(account, 100n));
  const holds: bigint[] = [];
  for (const after of [0, SECOND_MS, HOUR_MS]) {
    const hold = await submit(holdOf(account, SECOND_MS + offset + after));
    holds.push(receiptOf(hold).number);
  }
  return { account, holds, due: made + SECOND_MS };
}

/** The open holds with their first expiry (`next`), and the balance row's `next_due_at`. */
async function openIn(account: Account) {
  const rows = await db.query<{ number: string; expires_at: Date; next_due_at: Date }>(
    `select h.number, h.expires_at, b.next_due_at
     from balances b left join holds h using (account_id)
     where account_id = $1 order by h.expires_at`,
    [account.id],
  );
  return {
    numbers: rows.map(({ number }) => BigInt(number)),
    next: rows[0]?.expires_at.getTime(),
    nextDue: rows[0]?.next_due_at?.getTime(),
  };
}

describe('with a clock that ticks at each reading', () => {
  test.each(OFFSETS)('a batch forgets no hold that becomes due %i readings on', async (offset) => {
    const { account, holds, due } = await holding(offset);
    await clock.set(due, 1);
    expect(receiptOf(await submit(chargeOf(account))).at).toBe(due);
    const first = await openIn(account);
    expect(first.numbers).toEqual(offset === 0 ? holds.slice(1) : holds);
    expect(first.nextDue).toBe(first.next);

    await clock.set(due + offset + SECOND_MS, 1);
    const [, second = 0n, last = 0n] = holds;
    expect(await submit(captureOf(account, second))).toMatchObject({
      refusal: { code: 'hold_ended', by: 'expiry', at: due + offset + SECOND_MS },
    });
    const then = await openIn(account);
    expect(then).toMatchObject({ numbers: [last], nextDue: due + offset + HOUR_MS });
    expect(await readBalance(db.database, account.publicId)).toMatchObject({ held: 10n });
  });

  test.each(OFFSETS)(
    'a batch judges two accounts at one instant, %i readings on',
    async (offset) => {
      const made = [await holding(offset), await holding(offset)];
      const due = made[1]?.due ?? 0;
      await clock.set(due + offset, 1);
      const charged = await Promise.all(made.map(({ account }) => submit(chargeOf(account))));
      expect(charged.map((outcome) => receiptOf(outcome).at)).toEqual([due + offset, due + offset]);
    },
  );

  test.each(OFFSETS)('a balance is read at one instant, %i readings on', async (offset) => {
    const { account, due } = await holding(offset);
    const terms = { name: null, scopes: null, expiresAt: null };
    const { secret } = await createApiKey(db.database, account.id, terms);
    const reads = new KeyReads(db.database, { observer: new Counts() });
    for (const [at, held] of [
      [due, offset === 0 ? 20n : 30n],
      [due + offset, 20n],
      [due + offset + SECOND_MS, 10n],
    ] as const) {
      await clock.set(at, 1);
      const balance = { held, available: 100n - held };
      expect(await readBalance(db.database, account.publicId)).toMatchObject(balance);
      await clock.set(at, 1);
      expect((await reads.customerKey(sha256(secret)))?.balance.available).toBe(100n - held);
      await clock.set(at, 1);
      const amount = 100n - held;
      const spent = chargeOf(account, { amount }) as SpendOperation;
      const outcome = await foresee(db.database, spent);
      expect(outcome).toMatchObject({ kind: 'recorded', receipt: { at } });
    }
    reads.stop();
  });
});

test('a batch forgets no hold if the clock has gone back behind the last operation', async () => {
  const start = Date.now();
  await clock.set(start);
  const account = await newAccount(db.database);
  const terms = {
    category: 'paid',
    priority: 0,
    effectiveAt: null,
    expiresAt: start + 10 * SECOND_MS,
    appliesTo: null,
  } as const;
  await submit(grantOf(account, 1n, { terms }));
  await submit(grantOf(account, 100n));
  const { number: charge } = receiptOf(await submit(chargeOf(account)));
  receiptOf(await submit(holdOf(account, HOUR_MS)));
  await clock.set(start + 20 * SECOND_MS);
  const reversal = { ...grantOf(account, 1n), kind: 'reversal', charge, amount: null };
  receiptOf(await submit(reversal as unknown as Operation));
  await clock.set(start + 5 * SECOND_MS);
  expect(receiptOf(await submit(chargeOf(account))).at).toBe(start + 20 * SECOND_MS);
  expect(await openIn(account)).toMatchObject({ nextDue: start + HOUR_MS });
});
