import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/auth/api-keys.ts';
import { sha256 } from '../../src/auth/authentication.ts';
import { KeyReads } from '../../src/auth/key-reads.ts';
import { changeAccount } from '../../src/ledger/accounts/accounts.ts';
import { readBalance } from '../../src/ledger/lane/unlocked-read.ts';
import { LOCAL, type Operation } from '../../src/ledger/operations/operations.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { Sweeper } from '../../src/ledger/sweeper.ts';
import { useDatabase } from '../postgres.ts';
import {
  Counts,
  chargeOf,
  digest,
  grantOf,
  newAccount,
  newLedger,
  tally,
  useLedger,
} from './rig.ts';

const db = useDatabase();
const rig = useLedger(db.database);
const submit = (operation: Operation) => rig.ledger.submit(operation, () => true);
const log = { warn: () => {}, error: () => {} };

const TERMS = { category: 'paid', priority: 50, effectiveAt: null, appliesTo: null } as const;
/** Later than the operations that must come before it, on a busy machine too. */
const soon = () => Date.now() + 1_500;

type Account = Awaited<ReturnType<typeof newAccount>>;

function asked(account: Account, change: object): Operation {
  return {
    account: account.id,
    accountPublicId: account.publicId,
    actor: LOCAL,
    idempotencyDigest: digest(randomUUID()),
    fingerprint: digest('payload'),
    description: null,
    metadata: null,
    ...change,
  } as Operation;
}

const holdOf = (account: Account, amount: bigint, change: object = {}) =>
  asked(account, {
    kind: 'hold',
    amount,
    scope: null,
    apiKeyId: null,
    keySecret: null,
    expiresInMs: 60_000,
    ...change,
  });

async function numberOf(operation: Operation): Promise<bigint> {
  const outcome = await submit(operation);
  if (outcome.kind !== 'recorded') throw new Error(`not recorded: ${outcome.kind}`);
  return outcome.receipt.number;
}

const kindsOf = async (account: Account) => {
  const rows = await db.query<{ kind: string }>(
    'select kind from operations where account_id = $1 order by number',
    [account.id],
  );
  return rows.map(({ kind }) => kind);
};

describe('an event that has become due', () => {
  test('counts in the next read of a balance, by key and by account, before it is written', async () => {
    const account = await newAccount(db.database);
    const { secret } = await createApiKey(db.database, account.id, {
      name: null,
      scopes: null,
      expiresAt: null,
    });
    const reads = new KeyReads(db.database, { observer: new Counts() });
    const terms = { ...TERMS, expiresAt: soon() };
    await submit(grantOf(account, 7n, { terms }));
    await submit(grantOf(account, 5n));
    expect(await readBalance(db.database, account.publicId)).toMatchObject({
      available: 12n,
      nextExpiry: { at: terms.expiresAt, amount: 7n },
    });
    await expect
      .poll(async () => (await reads.customerKey(sha256(secret)))?.balance.available, {
        timeout: 5_000,
      })
      .toBe(5n);
    expect(await readBalance(db.database, account.publicId)).toMatchObject({
      available: 5n,
      byCategory: { paid: 5n },
      nextExpiry: null,
    });
    expect(await kindsOf(account)).toEqual(['grant', 'grant']);
    reads.stop();
  });

  test('is written once by sweepers of any number of nodes', async () => {
    const account = await newAccount(db.database);
    const other = newLedger(db.database);
    await submit(grantOf(account, 7n, { terms: { ...TERMS, expiresAt: soon() } }));
    await submit(
      grantOf(account, 3n, { terms: { ...TERMS, effectiveAt: soon(), expiresAt: null } }),
    );
    await submit(holdOf(account, 2n, { expiresInMs: 100 }));
    const sweepers = [rig.ledger, other.ledger].map(
      (ledger) => new Sweeper(db.database, ledger, log),
    );
    await expect
      .poll(
        async () => {
          await Promise.all(sweepers.map((sweeper) => sweeper.sweep()));
          return (await kindsOf(account)).toSorted();
        },
        { timeout: 5_000 },
      )
      .toEqual(['grant', 'grant', 'grant_end', 'grant_start', 'hold', 'hold_expiry']);
    const [row] = await db.query<{ posted: string; held: string; next_due_at: string | null }>(
      'select posted, held, next_due_at from balances where account_id = $1',
      [account.id],
    );
    expect(row).toEqual({ posted: '3', held: '0', next_due_at: null });
    await other.ledger.stop();
  });
});

describe('a hold', () => {
  test('keeps its row while it is open, and its replays repeat the first answer', async () => {
    const account = await newAccount(db.database);
    await submit(grantOf(account, 100n, { terms: { ...TERMS, expiresAt: Date.now() + 60_000 } }));
    const hold = await numberOf(holdOf(account, 10n, { description: 'a call' }));
    const open = () => db.query('select number from holds where account_id = $1', [account.id]);
    expect(await open()).toHaveLength(1);
    const capture = asked(account, { kind: 'capture', hold, amount: 14n });
    const first = await submit(capture);
    expect(first).toMatchObject({
      kind: 'recorded',
      receipt: {
        amount: 10n,
        overage: { number: 4n, amount: 4n },
        availableAfter: 86n,
        hold: { description: 'a call' },
      },
    });
    expect(await open()).toHaveLength(0);
    expect(await submit(capture)).toEqual({ ...first, kind: 'replayed' });
    const late = await submit(asked(account, { kind: 'capture', hold, amount: 1n }));
    expect(late).toMatchObject({ refusal: { code: 'hold_ended', by: 'capture' } });
  });

  test('and a reversal move the same grant that others spend, without a loss', async () => {
    const account = await newAccount(db.database);
    const other = newLedger(db.database);
    await submit(grantOf(account, 50n));
    const work = async (n: number) => {
      const { ledger } = n % 2 ? rig : other;
      const made = await ledger.submit(holdOf(account, 3n), () => true);
      if (made.kind !== 'recorded') return;
      const { number: hold } = made.receipt;
      const taken = await ledger.submit(
        asked(account, { kind: 'capture', hold, amount: 1n }),
        () => true,
      );
      if (taken.kind !== 'recorded' || n % 4 > 0) return;
      const { number: charge } = taken.receipt;
      await ledger.submit(asked(account, { kind: 'reversal', charge, amount: null }), () => true);
    };
    await Promise.all(Array.from({ length: 64 }, (_, n) => work(n)));
    await other.ledger.stop();
    const counts = await db.query<{ kind: string; amount: string }>(
      `select kind, sum(amount) as amount from operations
       where account_id = $1 and kind in ('capture', 'reversal') group by kind`,
      [account.id],
    );
    const sum = Object.fromEntries(counts.map(({ kind, amount }) => [kind, BigInt(amount)]));
    const balance = await readBalance(db.database, account.publicId);
    expect(balance).toMatchObject({ held: 0n });
    expect(balance?.posted).toBe(50n - (sum['capture'] ?? 0n) + (sum['reversal'] ?? 0n));
    expect(sum['capture']).toBeGreaterThan(10n);
  });
});

test('a late charge is paid by a suspended account without credit, its key revoked, and counts', async () => {
  const account = await newAccount(db.database);
  const terms = { name: null, scopes: null, expiresAt: null };
  const { apiKey } = await createApiKey(db.database, account.id, terms);
  await db.query(
    `insert into spend_limits (account_id, holder, period, amount, used, period_start)
     values ($1, $2, 'month', 1, 0, 'epoch')`,
    [account.id, apiKey.id],
  );
  await submit(grantOf(account, 2n));
  await db.query(`update api_keys set revoked_at = now() where id = $1`, [apiKey.id]);
  await changeAccount(db.database, account.publicId, { status: 'suspended' });
  const spent = { amount: 5n, apiKeyId: apiKey.id, scope: 'search' };
  expect(await submit(chargeOf(account, spent))).toMatchObject({ kind: 'refused' });
  const late = chargeOf(account, { ...spent, late: true });
  expect(await submit(late)).toMatchObject({ kind: 'recorded', receipt: { availableAfter: -3n } });
  expect(await submit(late)).toMatchObject({ kind: 'replayed' });
  const [limit] = await db.query<{ used: string }>(
    'select used from spend_limits where account_id = $1',
    [account.id],
  );
  expect(limit?.used).toBe('5');
  expect((await verify(db.database, { only: account.publicId })).problem).toBeNull();
});

test('a spend limit lets exactly what it allows through, from two nodes at once', async () => {
  const account = await newAccount(db.database);
  const other = newLedger(db.database);
  await submit(grantOf(account, 1_000n));
  await db.query(
    `insert into spend_limits (account_id, holder, period, amount, used, period_start)
     values ($1, $1, 'month', 70, 0, 'epoch')`,
    [account.id],
  );
  const outcomes = await Promise.all(
    Array.from({ length: 64 }, (_, n) =>
      (n % 2 ? rig : other).ledger.submit(chargeOf(account, { amount: 3n }), () => true),
    ),
  );
  expect(tally(outcomes)).toEqual({ recorded: 23, spend_limit_reached: 41 });
  const [limit] = await db.query<{ used: string }>(
    'select used from spend_limits where account_id = $1',
    [account.id],
  );
  expect(limit?.used).toBe('69');
  await other.ledger.stop();
});
