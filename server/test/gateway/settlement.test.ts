import { expect, test } from 'vitest';
import { createApiKey, listApiKeys } from '../../src/auth/api-keys.ts';
import { PaymentFailed, Payments } from '../../src/gateway/payment/payment.ts';
import type { Purchase } from '../../src/gateway/payment/purchase.ts';
import type { RouteTable } from '../../src/gateway/routes/route-table.ts';
import { findCharge } from '../../src/ledger/history/lists.ts';
import type { FailureCode, Operation, Outcome } from '../../src/ledger/operations/operations.ts';
import { DEFAULTS } from '../../src/pricing/book/defaults.ts';
import type { Price, Route } from '../../src/pricing/book/price-book.ts';
import { type Cost, costBefore } from '../../src/pricing/cost.ts';
import { digest, grantOf, newAccount, useLedger } from '../database/rig.ts';
import { useDatabase } from '../postgres.ts';

/** Payments while the ledger fails, or cannot tell the outcome. */

const db = useDatabase();
const rig = useLedger(db.database);

type Priced = NonNullable<ReturnType<RouteTable['match']>>;

const NO_NAMES = { top: new Set<string>(), deep: new Set<string>() };
const CALL: Price = { kind: 'call', amount: 500_000n };
const ITEMS: Price = {
  kind: 'item',
  quantity: 'items',
  amount: 100_000n,
  units: 1n,
  of: 'answer',
  count: { text: '', names: NO_NAMES, count: async () => 0n },
  atMost: { text: '', names: NO_NAMES, count: async () => 20_000_000n },
  events: { names: [], isEach: false },
};

function routeOf(price: readonly Price[]): Route {
  return {
    name: 'search',
    methods: ['GET'],
    path: '/v1/search',
    scope: 'search',
    upstream: 'up',
    rateLimit: null,
    largestBodyBytes: 1,
    longestMs: 1_000,
    meteringBufferBytes: 1,
    replayBytes: 0,
    concurrency: 64,
    errorEvents: [],
    errorFormat: 'purser',
    addToRequest: null,
    receiptComment: false,
    price,
    memberNames: NO_NAMES,
    settlement: DEFAULTS.settlement,
  };
}

/** A purchase by an account with 10 cents. */
async function purchaseOf(price: readonly Price[], name: string): Promise<Purchase> {
  const account = await newAccount(db.database);
  await rig.ledger.submit(grantOf(account, 10_000_000n), () => true);
  await createApiKey(db.database, account.id, { name, scopes: ['search'], expiresAt: null });
  const [key] = (await listApiKeys(db.database, account.id, { limit: 1 })).items;
  const route = routeOf(price);
  return {
    priced: { route, version: 1, topUpUrl: null, isKnownBefore: price.length === 1 } as Priced,
    account: account.id,
    accountPublicId: account.publicId,
    apiKeyId: key?.id ?? '',
    keySecret: null,
    before: await costBefore(route, {}),
    digest: digest(name),
  };
}

/**
 * Payments in the real ledger; the first operation of each kind in `faults` fails with its code.
 */
function paymentsWith(faults: Partial<Record<Operation['kind'], Fault>>) {
  const left = new Map(Object.entries(faults));
  const submit = async (operation: Operation, isWanted: () => boolean): Promise<Outcome> => {
    const fault = left.get(operation.kind);
    left.delete(operation.kind);
    if (fault?.isDone ?? true) {
      const outcome = await rig.ledger.submit(operation, isWanted);
      if (!fault) return outcome;
    }
    return { kind: 'failed', code: fault?.code ?? 'internal_error' };
  };
  const log = { error: () => {} };
  return new Payments({ ledger: { submit }, log });
}

interface Fault {
  readonly code: FailureCode;
  /** Whether the operation is carried out in spite of its failure. */
  readonly isDone: boolean;
}

async function availableOf({ account }: Purchase): Promise<bigint> {
  const [row] = await db.query<{ available: string }>(
    'select posted - held as available from balances where account_id = $1',
    [account],
  );
  return BigInt(row?.available ?? -1);
}

const cost: Cost = { amount: 700_000n, quantities: { items: '2' }, choices: {} };

test.each([
  ['charge', [CALL], true],
  ['charge', [CALL], false],
  ['hold', [CALL, ITEMS], true],
] as const)('a %s of which nothing is known is given back', async (kind, price, isDone) => {
  const purchase = await purchaseOf(price, `${kind} ${isDone}`);
  const payments = paymentsWith({ [kind]: { code: 'outcome_unknown', isDone } });
  await expect(payments.begin(purchase, () => true)).rejects.toThrow(PaymentFailed);
  await expect.poll(async () => (await opsOf(purchase)).at(-1)).toMatch(/reversal|hold_void/);
  expect(await availableOf(purchase)).toBe(10_000_000n);
});

test.each([true, false])('a capture is tried until it is known (done: %s)', async (isDone) => {
  const purchase = await purchaseOf([CALL, ITEMS], `capture ${isDone}`);
  const payments = paymentsWith({ capture: { code: 'outcome_unknown', isDone } });
  const held = await payments.begin(purchase, () => true);
  const paid = await payments.capture(purchase, held, cost);
  expect(paid).toMatchObject({ isHeld: false, charged: 700_000n, available: 9_300_000n });
  expect(await availableOf(purchase)).toBe(9_300_000n);
});

test.each([true, false])('a charge is given back once (done: %s)', async (isDone) => {
  const purchase = await purchaseOf([CALL], `reversal ${isDone}`);
  const payments = paymentsWith({ reversal: { code: 'database_unavailable', isDone } });
  const paid = await payments.begin(purchase, () => true);
  expect(await payments.giveBack(purchase, paid, 'upstream_5xx')).toMatchObject({ charged: 0n });
  expect(await availableOf(purchase)).toBe(10_000_000n);
  const charge = await findCharge(db.database, paid);
  expect(charge).toMatchObject({ reversed: 500_000n });
});

test('a hold that has expired has given itself back, and nothing is logged', async () => {
  const purchase = await purchaseOf([CALL, ITEMS], 'expired');
  const errors: unknown[] = [];
  const log = { error: (details: object) => errors.push(details) };
  const payments = new Payments({ ledger: rig.ledger, log });
  const held = await payments.begin(purchase, () => true);
  await expire(purchase);
  const paid = await payments.giveBack(purchase, held, 'upstream_5xx');
  expect(paid).toMatchObject({ isHeld: false, charged: 0n, available: 10_000_000n });
  expect(await availableOf(purchase)).toBe(10_000_000n);
  expect(errors).toEqual([]);
});

test('an overage is paid only if there is credit for it', async () => {
  const purchase = await purchaseOf([CALL, ITEMS], 'above');
  const payments = paymentsWith({});
  const held = await payments.begin(purchase, () => true);
  const tooMuch = { ...cost, amount: 11_000_000n };
  const paid = await payments.capture(purchase, held, tooMuch);
  expect(paid).toMatchObject({ charged: 2_500_000n, available: 7_500_000n });
});

/** Makes the hold of a purchase expire now. */
async function expire({ account }: Purchase): Promise<void> {
  const now = `date_trunc('milliseconds', clock_timestamp())`;
  await db.query(`update holds set expires_at = ${now} where account_id = $1`, [account]);
  await db.query(
    `update operations set expires_at = ${now} where account_id = $1 and kind = 'hold'`,
    [account],
  );
  await db.query(`update balances set next_due_at = ${now} where account_id = $1`, [account]);
}

async function opsOf({ account }: Purchase): Promise<string[]> {
  const rows = await db.query<{ kind: string }>(
    'select kind from operations where account_id = $1 order by number',
    [account],
  );
  return rows.map(({ kind }) => kind);
}
