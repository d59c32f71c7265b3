import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ASKED_KINDS, type AskedKind } from '../../src/ledger/operations/kinds.ts';
import { LARGEST_AMOUNT } from '../../src/ledger/operations/money.ts';
import type {
  Digest,
  Operation,
  Outcome,
  Receipt,
} from '../../src/ledger/operations/operations.ts';
import type { AccountState, SpendLimit } from '../../src/ledger/rules/account-state.ts';
import { decide } from '../../src/ledger/rules/decide.ts';
import { ACCOUNT, asked, NOW } from './account.ts';
import { Model, type ModelOutcome } from './model.ts';
import { Store } from './store.ts';

/** How many sequences of batches are compared. */
const SEQUENCES = Number(process.env['PURSER_SEQUENCES'] ?? 2_000);

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const KEY = 'key';

/** Steps of time: none, to the next due event, over a day, over a month. */
const steps = fc.constantFrom(0, 0, 1, SECOND, 2 * SECOND, HOUR, 9 * HOUR, 24 * HOUR, 800 * HOUR);
const scopes = fc.constantFrom('search', 'contents');
const amounts = fc.oneof(
  { weight: 12, arbitrary: fc.bigInt(1n, 60n) },
  { weight: 2, arbitrary: fc.constantFrom(LARGEST_AMOUNT, LARGEST_AMOUNT - 30n) },
);
const instants = fc.option(fc.constantFrom(1, SECOND, 2 * SECOND, 10 * HOUR, 30 * HOUR));

const shapes = fc.record({
  kind: fc.constantFrom<AskedKind | 'advance'>(
    ...ASKED_KINDS,
    ...(['grant', 'charge', 'hold', 'advance'] as const),
  ),
  amount: amounts,
  isFree: fc.integer({ min: 0, max: 11 }).map((n) => n === 0),
  isNegative: fc.boolean(),
  isWhole: fc.boolean(),
  category: fc.constantFrom('paid' as const, 'promotional' as const),
  priority: fc.constantFrom(0, 50, 100),
  effective: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, instants),
  expires: instants,
  appliesTo: fc.option(fc.uniqueArray(scopes, { minLength: 1 })),
  scope: fc.option(scopes),
  apiKey: fc.boolean(),
  isLate: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  /** Chooses one of the grants, holds or charges, or a number that names none. */
  which: fc.nat({ max: 30 }),
  key: fc.nat({ max: 60 }),
  payload: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
});

type Shape = typeof shapes extends fc.Arbitrary<infer T> ? T : never;

const batches = fc.record({
  step: steps,
  /** The overdraft limit that the operator sets before the batch; null: no change. */
  overdraftLimit: fc.constantFrom(null, null, null, 25n, 0n),
  shapes: fc.array(shapes, { minLength: 1, maxLength: 6 }),
});

/** The terms of a grant that takes effect at once, pays for every scope and never expires. */
const PLAIN = { effective: null, expires: null, appliesTo: null };

/** Sequences that lead to debt with credit: credit is spent or held, an adjustment burns it, and it returns. */
const beginnings = fc
  .tuple(batches, batches, shapes, shapes, shapes, shapes, fc.boolean())
  .map(([first, second, grant, spending, adjustment, end, isHeld]) => {
    const made: Shape[] = [
      { ...grant, ...PLAIN, kind: 'grant', key: 61, amount: 60n },
      { ...spending, kind: isHeld ? 'hold' : 'charge', key: 62, isLate: false },
      { ...adjustment, kind: 'adjustment', key: 63, amount: 60n, isNegative: true, isWhole: true },
    ];
    const ending = isHeld
      ? (['hold_void', 'capture', 'advance'] as const)
      : (['reversal'] as const);
    const kind = ending[end.which % ending.length] ?? 'advance';
    return [
      { ...first, shapes: made },
      { ...second, shapes: [{ ...end, kind, which: 0 }, ...second.shapes] },
    ];
  });

function operationOf(shape: Shape, model: Model, now: number): Operation {
  const pick = (things: readonly { number: number }[]) =>
    BigInt(things[shape.which % (things.length + 1)]?.number ?? 999);
  const after = (delay: number | null) => (delay === null ? null : now + delay);
  const { kind, amount, scope } = shape;
  const isFree = shape.isFree && ['charge', 'hold', 'capture'].includes(kind);
  const terms = {
    category: shape.category,
    priority: shape.priority,
    effectiveAt: after(shape.effective),
    expiresAt: after(shape.expires),
    appliesTo: shape.appliesTo,
  };
  return asked(kind, {
    idempotencyDigest: `\\x${shape.key}` as Digest,
    fingerprint: `\\x${shape.payload}` as Digest,
    amount: kind === 'adjustment' && shape.isNegative ? -amount : amount,
    ...(kind === 'grant' && { terms }),
    ...(isFree && { amount: 0n }),
    ...(kind === 'charge' && shape.isLate && { late: true }),
    scope,
    apiKeyId: shape.apiKey ? KEY : null,
    expiresInMs: shape.expires ?? SECOND,
    hold: pick(model.holds),
    charge: pick(model.charges),
    grant: pick(model.grants),
    category: shape.category,
    allowNegative: shape.isWhole,
    ...(kind === 'reversal' && shape.isWhole && { amount: null }),
    ...(kind === 'grant_extension' && { expiresAt: after(shape.expires) }),
  } as Partial<Operation>);
}

function outcomeInModelTerms(outcome: Outcome): ModelOutcome | undefined {
  switch (outcome.kind) {
    case 'recorded':
    case 'replayed':
      return { kind: outcome.kind, number: Number(outcome.receipt.number) };
    case 'done':
      return { kind: 'done' };
    case 'refused':
      return { kind: 'refused', refusal: outcome.refusal };
    default:
      return undefined;
  }
}

function inModelTerms({ number, kind, at, amount, subject, entries }: Receipt) {
  return {
    number: Number(number),
    kind,
    at,
    amount,
    subject: subject === null ? null : Number(subject),
    lines: entries.map((entry) => ({
      grant: entry.grant === null ? null : Number(entry.grant),
      amount: entry.amount,
      book: entry.book,
    })),
  };
}

/** The invariants of the stored rows (README §9). */
function expectInvariants(store: Store, model: Model, at: number): void {
  const { balance } = store;
  expect(balance.posted).toBe(model.posted);
  expect(balance.held).toBe(model.held);
  expect(balance.openHolds).toBe(model.openHolds.length);
  expect(balance.lastNumber).toBe(BigInt(model.booked.length));
  expect(-balance.overdraftUsed).toBe(model.remaining(null));
  expect(balance.overdraftReserved).toBe(model.reserved(null));
  let started = 0n;
  for (const grant of store.grants.values()) {
    const { number, remaining, reserved, amount, ended } = grant;
    expect(0n <= reserved && reserved <= remaining && remaining <= amount).toBe(true);
    expect(reserved).toBe(model.reserved(Number(number)));
    if (ended) expect(remaining).toBe(reserved);
    const known = model.grants.find((other) => BigInt(other.number) === number);
    expect(ended).toEqual(known?.ended);
    if (!grant.started) continue;
    started += remaining;
    expect(remaining).toBe(model.remaining(Number(number)));
  }
  expect(started - balance.overdraftUsed).toBe(balance.posted);
  expect([...store.holds.keys()]).toEqual(model.openHolds.map(({ number }) => BigInt(number)));
  const numbers = [balance.posted, balance.held, balance.overdraftUsed, balance.overdraftReserved];
  numbers.push(...store.receipts.map(({ availableAfter }) => availableAfter));
  numbers.push(...store.limits.map(({ used }) => used));
  expect(numbers.every((amount) => BigInt.asIntN(64, amount) === amount)).toBe(true);
  let running = 0n;
  for (const { entries } of store.receipts) {
    for (const { amount, postedAfter } of entries) {
      running += amount;
      expect(postedAfter).toBe(running);
    }
  }
  for (const limit of store.limits) {
    const key = limit.holder === ACCOUNT ? null : limit.holder;
    const isCurrent = model.used({ key, period: limit.period }, limit.periodStart) === limit.used;
    expect(isCurrent).toBe(true);
  }
  expectNextDue(store, at);
}

function expectNextDue({ balance, grants, holds }: Store, at: number): void {
  const coming = [...holds.values()].map(({ expiresAt }) => expiresAt);
  for (const { started, ended, effectiveAt, expiresAt, remaining } of grants.values()) {
    if (ended || remaining === 0n) continue;
    if (!started) coming.push(effectiveAt);
    else if (expiresAt !== null) coming.push(expiresAt);
  }
  const next = Math.min(...coming);
  if (coming.length > 0) {
    expect(next).toBeGreaterThan(at);
    expect(balance.nextDueAt).not.toBeNull();
    expect(balance.nextDueAt).toBeLessThanOrEqual(next);
  }
}

const LIMITS: readonly { key: string | null; period: SpendLimit['period']; amount: bigint }[] = [
  { key: null, period: 'day', amount: 120n },
  { key: KEY, period: 'day', amount: 70n },
  { key: KEY, period: 'month', amount: 90n },
  { key: KEY, period: 'total', amount: 150n },
];

function stored(limit: (typeof LIMITS)[number]): SpendLimit {
  const { key, period, amount } = limit;
  return { holder: key ?? ACCOUNT, period, amount, used: 0n, periodStart: 0 };
}

test('decide() agrees with the reference model on any sequence of operations, in any batches, as time passes', () => {
  const sequences = fc.record({
    beginning: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, beginnings),
    rest: fc.array(batches, { maxLength: 8 }),
    suspended: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    limited: fc.boolean(),
    /** Whether the sweeper runs between the batches; the bookings must be the same. */
    swept: fc.boolean(),
  });
  const sweep = asked('advance', {});
  const key = {
    account: ACCOUNT,
    scopes: ['search', 'contents'],
    expiresAt: null,
    revokedAt: null,
  };
  let stoppedByDebt = 0;
  fc.assert(
    fc.property(sequences, ({ beginning, rest, suspended, limited, swept }) => {
      const limits = limited ? LIMITS : [];
      const model = new Model({ suspended, limits });
      const status: AccountState['status'] = suspended ? 'suspended' : 'active';
      const keys = new Map([[KEY, key]]);
      const store = new Store({ status, keys, limits: limits.map(stored) });
      let now = NOW;
      for (const { step, overdraftLimit, shapes: wanted } of [...beginning, ...rest]) {
        const recorded: Receipt[] = [];
        for (const at of swept ? [now + Math.floor(step / 2), now + step] : []) {
          const state = store.read([sweep], at);
          const decision = decide(state, [sweep], at);
          store.write(state, decision);
          recorded.push(...decision.recorded);
        }
        now += step;
        if (overdraftLimit !== null) {
          model.overdraftLimit = overdraftLimit;
          store.balance = { ...store.balance, overdraftLimit };
        }
        const operations = wanted.map((shape) => operationOf(shape, model, now));
        const state = store.read(operations, now);
        const decision = decide(state, operations, now);
        store.write(state, decision);
        const before = model.booked.length;
        model.pass(now);
        const expected = operations.map((operation) => model.perform(operation, now));
        expect(decision.outcomes.map(outcomeInModelTerms)).toEqual(expected);
        recorded.push(...decision.recorded);
        expect(recorded.map(inModelTerms)).toEqual(model.booked.slice(before));
        expectInvariants(store, model, now);
      }
      stoppedByDebt += model.stoppedByDebt;
    }),
    { numRuns: SEQUENCES },
  );
  // Debt that only credit hides is reached often.
  expect(stoppedByDebt).toBeGreaterThan(SEQUENCES / 50);
});
