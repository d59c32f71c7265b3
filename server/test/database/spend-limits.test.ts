import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/auth/api-keys.ts';
import {
  clearSpendLimit,
  type LimitKey,
  readSpendLimit,
  setSpendLimit,
} from '../../src/ledger/accounts/spend-limits.ts';
import { CHARGE_KINDS, type OperationKind } from '../../src/ledger/operations/kinds.ts';
import type { Operation, SpendPeriod } from '../../src/ledger/operations/operations.ts';
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

type Account = Awaited<ReturnType<typeof newAccount>>;
const PLENTY = 1_000_000_000n;

async function fundedAccount(): Promise<Account> {
  const account = await newAccount(db.database);
  await submit(grantOf(account, PLENTY));
  return account;
}

const newKeyOf = async (account: Account): Promise<string> => {
  const terms = { name: null, scopes: null, expiresAt: null };
  return (await createApiKey(db.database, account.id, terms)).apiKey.id;
};

function asked(account: Account, change: object): Operation {
  return { ...chargeOf(account), idempotencyDigest: digest(randomUUID()), ...change } as Operation;
}

const holdOf = (account: Account, amount: bigint, change: object = {}) =>
  asked(account, { kind: 'hold', amount, expiresInMs: 60_000, ...change });
const captureOf = (account: Account, hold: bigint, amount: bigint) =>
  asked(account, { kind: 'capture', hold, amount });
const reversalOf = (account: Account, charge: bigint, amount: bigint | null = null) =>
  asked(account, { kind: 'reversal', charge, amount });

async function numberOf(operation: Operation): Promise<bigint> {
  const outcome = await submit(operation);
  if (outcome.kind !== 'recorded') throw new Error(`not recorded: ${JSON.stringify(outcome)}`);
  return outcome.receipt.number;
}

const limitOf = (
  account: Account,
  period: SpendPeriod = 'day',
  apiKeyId: string | null = null,
): LimitKey => ({ account: account.id, apiKeyId, period });

/** Sets a limit now. Resolves with the amount that it counts as used. */
async function usedOf(key: LimitKey): Promise<bigint | undefined> {
  const limit = await setSpendLimit(db.database, key, PLENTY);
  return limit === 'uncountable' ? undefined : limit.used;
}

/** Moves all operations of the account one day into the past. */
const dayPasses = (account: Account) =>
  db.query(`update operations set at = at - interval '1 day' where account_id = $1`, [account.id]);

interface Row {
  number: bigint;
  kind: OperationKind;
  at: Date;
  amount: bigint;
  subject: bigint | null;
  key: string | null;
  open: boolean;
}

/** Adds up, operation by operation, the amounts that count towards a limit (README §6). */
async function countedIn({ account, apiKeyId }: LimitKey, since: Date): Promise<bigint> {
  const read = await db.query<Record<string, string> & { at: Date; open: boolean }>(
    `select o.number, o.kind, o.at, o.amount, o.subject, o.api_key_id as key,
            h.number is not null as open
     from operations o left join holds h using (account_id, number)
     where o.account_id = $1 order by o.number`,
    [account],
  );
  const rows = read.map(
    (row): Row => ({
      number: BigInt(row['number'] ?? 0),
      kind: row['kind'] as OperationKind,
      at: row.at,
      amount: BigInt(row['amount'] ?? 0),
      subject: row['subject'] ? BigInt(row['subject']) : null,
      key: row['key'] ?? null,
      open: row.open,
    }),
  );
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  const subjectOf = (row: Row) => byNumber.get(row.subject ?? 0n) ?? row;
  let used = 0n;
  for (const row of rows) {
    const spends = CHARGE_KINDS.includes(row.kind) || row.open;
    if (!spends && row.kind !== 'reversal') continue;
    const charge = row.kind === 'reversal' ? subjectOf(row) : row;
    const { at } = charge.kind === 'capture' ? subjectOf(charge) : charge;
    if (at < since || (apiKeyId !== null && charge.key !== apiKeyId)) continue;
    used += row.kind === 'reversal' ? -row.amount : row.amount;
  }
  return used;
}

function startOfDay(): Date {
  return new Date(new Date().setUTCHours(0, 0, 0, 0));
}

describe('a limit that is set late', () => {
  test('counts charges, captures, overages and open holds less reversals, its key’s only', async () => {
    const account = await fundedAccount();
    const [apiKeyId, other] = [await newKeyOf(account), await newKeyOf(account)];
    const reversed = await numberOf(chargeOf(account, { amount: 100n, apiKeyId }));
    await numberOf(reversalOf(account, reversed, 30n));
    await numberOf(reversalOf(account, reversed, 20n));
    await numberOf(chargeOf(account, { amount: 1_000n }));
    await numberOf(chargeOf(account, { amount: 2_000n, apiKeyId: other }));
    const captured = await numberOf(holdOf(account, 10n, { apiKeyId }));
    const capture = await numberOf(captureOf(account, captured, 17n));
    expect(await usedOf(limitOf(account, 'day', apiKeyId))).toBe(50n + 17n);
    await numberOf(reversalOf(account, capture, 4n));
    await numberOf(holdOf(account, 3n, { apiKeyId }));
    const released = await numberOf(holdOf(account, 500n, { apiKeyId }));
    await numberOf(asked(account, { kind: 'hold_void', hold: released }));

    for (const period of ['day', 'month', 'total'] as const) {
      expect(await usedOf(limitOf(account, period, apiKeyId))).toBe(50n + 17n - 4n + 3n);
      expect(await usedOf(limitOf(account, period, other))).toBe(2_000n);
      expect(await usedOf(limitOf(account, period))).toBe(3_000n + 66n);
    }
  });

  test('counts a capture in the period of its hold, and its overage in its own', async () => {
    const account = await fundedAccount();
    const apiKeyId = await newKeyOf(account);
    const old = await numberOf(chargeOf(account, { amount: 40n, apiKeyId }));
    const captured = await numberOf(holdOf(account, 10n, { apiKeyId }));
    await numberOf(holdOf(account, 5n, { apiKeyId }));
    await dayPasses(account);
    await numberOf(reversalOf(account, old, 15n));
    const capture = await numberOf(captureOf(account, captured, 12n));
    await numberOf(reversalOf(account, capture, 1n));
    await numberOf(holdOf(account, 6n, { apiKeyId }));
    await numberOf(chargeOf(account, { amount: 100n, apiKeyId }));

    for (const holder of [null, apiKeyId]) {
      const today = limitOf(account, 'day', holder);
      expect(await usedOf(today)).toBe(2n + 6n + 100n);
      expect(await usedOf(today)).toBe(await countedIn(today, startOfDay()));
      expect(await usedOf(limitOf(account, 'total', holder))).toBe(25n + 5n + 9n + 2n + 6n + 100n);
    }
  });

  test('is current from then on, with captures, reversals and later charges', async () => {
    const account = await fundedAccount();
    const charge = await numberOf(chargeOf(account, { amount: 60n }));
    const hold = await numberOf(holdOf(account, 30n));
    const key = limitOf(account, 'total');
    expect(await setSpendLimit(db.database, key, 100n)).toEqual({
      amount: 100n,
      used: 90n,
      resetAt: null,
    });
    expect(tally([await submit(chargeOf(account, { amount: 11n }))])).toEqual({
      spend_limit_reached: 1,
    });
    await numberOf(captureOf(account, hold, 5n));
    await numberOf(reversalOf(account, charge, 10n));
    await numberOf(chargeOf(account, { amount: 45n }));
    expect(await readSpendLimit(db.database, key)).toMatchObject({ used: 100n });
    expect(await setSpendLimit(db.database, key, 7n)).toMatchObject({ amount: 7n, used: 100n });
    expect(tally([await submit(chargeOf(account, { amount: 1n }))])).toEqual({
      spend_limit_reached: 1,
    });
    expect(await clearSpendLimit(db.database, key)).toBe(true);
    expect(await clearSpendLimit(db.database, key)).toBe(false);
    await numberOf(chargeOf(account, { amount: 1n }));
  });

  test('finds the start of its period among many operations, and counts them in parts', async () => {
    const account = await newAccount(db.database);
    const [yesterday, today] = [2_000, 101_017];
    await db.query(
      `insert into operations (account_id, number, kind, at, amount, available_after,
                               idempotency_digest, fingerprint)
       select $1, n, 'charge',
              date_trunc('day', now(), 'UTC') + (n - $2::integer - 1) * interval '1 microsecond',
              1, 0, substring(sha256(n::text::bytea) for 16), substring(sha256('') for 16)
       from generate_series(1, $2::integer + $3::integer) as n`,
      [account.id, yesterday, today],
    );
    await db.query('update balances set last_number = $2 where account_id = $1', [
      account.id,
      yesterday + today,
    ]);
    expect(await usedOf(limitOf(account, 'day'))).toBe(BigInt(today));
    expect(await usedOf(limitOf(account, 'total'))).toBe(BigInt(yesterday + today));
  });

  test.each([1, 2, 3, 4, 5])('finds each first operation among %i', async (count) => {
    for (let old = 0; old <= count; old += 1) {
      const account = await newAccount(db.database);
      await submit(grantOf(account, PLENTY));
      for (let n = 1; n < count; n += 1) await submit(chargeOf(account));
      await db.query(
        `update operations set at = at - interval '1 day' where account_id = $1 and number <= $2`,
        [account.id, old],
      );
      const spent = count - Math.max(old, 1);
      expect(await usedOf(limitOf(account))).toBe(BigInt(spent));
    }
  });
});

describe('the used amount of a limit', () => {
  test('is zero in a new period, before and after its first operation', async () => {
    const account = await fundedAccount();
    const key = limitOf(account);
    await numberOf(chargeOf(account, { amount: 9n }));
    expect(await usedOf(key)).toBe(9n);
    await dayPasses(account);
    await db.query(
      `update spend_limits set period_start = period_start - interval '1 day' where account_id = $1`,
      [account.id],
    );
    expect(await readSpendLimit(db.database, key)).toMatchObject({ used: 0n });
    expect(await setSpendLimit(db.database, key, 4n)).toMatchObject({ amount: 4n, used: 0n });
    await numberOf(chargeOf(account, { amount: 3n }));
    const tomorrow = startOfDay().getTime() + 86_400_000;
    expect(await readSpendLimit(db.database, key)).toEqual({
      amount: 4n,
      used: 3n,
      resetAt: tomorrow,
    });
  });

  test('leaves out a hold that has become due, before its end is written', async () => {
    const account = await fundedAccount();
    const apiKeyId = await newKeyOf(account);
    const keys = [limitOf(account), limitOf(account, 'total', apiKeyId)] as const;
    await numberOf(holdOf(account, 7n, { apiKeyId, expiresInMs: 1_000 }));
    await numberOf(holdOf(account, 2n, { apiKeyId }));
    for (const key of keys) expect(await usedOf(key)).toBe(9n);
    for (const key of keys) {
      await expect
        .poll(async () => (await readSpendLimit(db.database, key))?.used, { timeout: 5_000 })
        .toBe(2n);
    }
    expect(await usedOf(limitOf(account, 'month'))).toBe(2n);
    await numberOf(chargeOf(account, { amount: 1n, apiKeyId }));
    for (const key of [...keys, limitOf(account, 'month')]) {
      expect(await readSpendLimit(db.database, key)).toMatchObject({ used: 3n });
    }
  });

  test('is exact even if limits come and go during a race', async () => {
    const account = await fundedAccount();
    const apiKeyId = await newKeyOf(account);
    const other = newLedger(db.database);
    let isOver = false;
    const spend = async (n: number) => {
      const { ledger } = n % 2 ? rig : other;
      const ask = (operation: Operation) => ledger.submit(operation, wanted);
      for (let turn = n; !isOver; turn += 1) {
        const by = { apiKeyId: turn % 3 ? apiKeyId : null };
        const made = await ask(
          turn % 4 ? holdOf(account, 5n, by) : chargeOf(account, { amount: 2n, ...by }),
        );
        if (made.kind !== 'recorded') throw new Error(`not recorded: ${made.kind}`);
        const { number } = made.receipt;
        if (turn % 4 === 1) continue;
        const paid = turn % 4 ? await ask(captureOf(account, number, BigInt(turn % 8))) : made;
        if (paid.kind !== 'recorded' || turn % 5 > 1) continue;
        await ask(reversalOf(account, paid.receipt.number, turn % 5 ? null : 1n));
      }
    };
    const spending = Array.from({ length: 24 }, (_, n) => spend(n));
    const keys = (['day', 'total'] as const).flatMap((period) => [
      limitOf(account, period),
      limitOf(account, period, apiKeyId),
    ]);
    try {
      for (let round = 0; round < 15; round += 1) {
        for (const key of keys) await clearSpendLimit(db.database, key);
        await Promise.all([...keys, ...keys].map((key) => setSpendLimit(db.database, key, PLENTY)));
      }
    } finally {
      isOver = true;
      await Promise.all(spending);
    }
    await other.ledger.stop();
    for (const key of keys) {
      const counted = await countedIn(key, startOfDay());
      expect(counted).toBeGreaterThan(100n);
      expect(await readSpendLimit(db.database, key)).toMatchObject({ used: counted });
      await clearSpendLimit(db.database, key);
      expect(await usedOf(key)).toBe(counted);
    }
  }, 30_000);
});
