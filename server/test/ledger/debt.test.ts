import { describe, expect, test } from 'vitest';
import { LARGEST_AMOUNT } from '../../src/ledger/operations/money.ts';
import { ACCOUNT, asked, charge, grant, NOW } from './account.ts';
import { advance, capture, hold, reversal, Story } from './story.ts';

describe('debt', () => {
  const down = (amount: bigint) => asked('adjustment', { amount: -amount, allowNegative: true });
  const refusal = (available: bigint, required: bigint, debt: bigint) => ({
    kind: 'refused',
    refusal: { code: 'insufficient_credits', available, required, elsewhere: 0n, debt },
  });

  test.each([
    ['a hold that is voided', asked('hold_void', { hold: 2n }), 1],
    ['a hold that expires', advance, 60],
    ['a capture of nothing', capture(2n, 0n), 1],
  ])('stops what %s has given back from being spent', (_, ending, seconds) => {
    const story = new Story();
    story.at(0, grant(100n), hold(100n));
    story.at(0, down(100n));
    story.at(seconds, ending);
    expect(story.store.balance).toMatchObject({ posted: 0n, held: 0n, overdraftUsed: 100n });
    const { outcomes } = story.at(seconds, charge(100n), charge(1n), hold(1n), charge(0n));
    expect(outcomes).toMatchObject([
      refusal(0n, 100n, 0n),
      refusal(0n, 1n, 0n),
      refusal(0n, 1n, 0n),
      { kind: 'recorded' },
    ]);
  });

  test('stops what a reversal has given back, and is paid off by the next grant', () => {
    const story = new Story();
    story.at(0, grant(10n), charge(10n), down(30n));
    story.at(1, reversal(2n));
    expect(story.at(1, charge(5n)).outcomes).toMatchObject([refusal(0n, 5n, 20n)]);
    // The shortfall is the amount and the debt.
    story.at(2, grant(25n, { category: 'promotional' }));
    expect(story.at(2, charge(5n), charge(1n)).outcomes).toMatchObject([
      { kind: 'recorded' },
      refusal(0n, 1n, 0n),
    ]);
  });

  test('is what a lowered limit leaves above it, and only the rest can be spent', () => {
    const story = new Story({ overdraftLimit: 50n });
    story.at(0, grant(100n), hold(100n), charge(40n));
    story.store.balance = { ...story.store.balance, overdraftLimit: 10n };
    story.at(1, asked('hold_void', { hold: 2n }));
    expect(story.at(1, charge(71n)).outcomes).toMatchObject([refusal(70n, 71n, 0n)]);
    expect(story.at(1, charge(70n)).outcomes).toMatchObject([{ kind: 'recorded' }]);
  });

  test('lets a hold that was made before pay, and nothing above it', () => {
    const story = new Story();
    story.at(0, grant(100n), hold(100n));
    story.at(0, down(30n));
    expect(story.at(1, capture(2n, 105n)).outcomes).toMatchObject([refusal(100n, 105n, 30n)]);
    expect(story.at(1, capture(2n, 100n)).outcomes).toMatchObject([{ kind: 'recorded' }]);
  });

  test('stops an adjustment too, unless it may go below zero', () => {
    const story = new Story({ overdraftLimit: 100n });
    story.at(0, grant(100n), hold(100n), charge(60n));
    story.at(1, asked('hold_void', { hold: 2n }));
    const deduct = asked('adjustment', { amount: -41n, allowNegative: false });
    expect(story.at(1, deduct).outcomes).toMatchObject([refusal(40n, 41n, 0n)]);
    expect(story.at(1, down(41n)).outcomes).toMatchObject([{ kind: 'recorded' }]);
    expect(story.available).toBe(-1n);
  });
});

describe('a late charge', () => {
  const key = { account: ACCOUNT, scopes: [], expiresAt: null, revokedAt: NOW };
  const late = (amount: bigint) =>
    charge(amount, { late: true, scope: 'search', apiKeyId: 'k', keySecret: 'gone' });

  test('burns applicable credit in burn order, then the line past its limit, and is no more refused', () => {
    const story = new Story({
      status: 'suspended',
      overdraftLimit: 1n,
      keys: new Map([['k', key]]),
      limits: [{ holder: 'k', period: 'day', amount: 2n, used: 0n, periodStart: 0 }],
    });
    story.at(0, grant(3n), grant(4n, { priority: 0, appliesTo: ['search'] }));
    story.at(0, grant(5n, { appliesTo: ['contents'] }));
    const { outcomes, recorded } = story.at(1, late(10n));
    expect(outcomes).toMatchObject([{ kind: 'recorded', receipt: { availableAfter: 2n } }]);
    expect(recorded[0]?.entries.map(({ grant: of, amount }) => [of, amount])).toEqual([
      [2n, -4n],
      [1n, -3n],
      [null, -3n],
    ]);
    expect(story.store.balance).toMatchObject({ posted: 2n, overdraftUsed: 3n });
    expect(story.store.limits[0]?.used).toBe(10n);
  });

  test('is replayed under its idempotency key', () => {
    const story = new Story();
    const first = late(10n);
    expect(story.at(0, first).outcomes).toMatchObject([{ kind: 'recorded' }]);
    expect(story.at(1, first).outcomes).toMatchObject([{ kind: 'replayed' }]);
    expect(story.available).toBe(-10n);
  });

  test('is refused only for an amount by which a sum would leave int64', () => {
    const limits = [
      { holder: 'k', period: 'total', amount: 1n, used: LARGEST_AMOUNT - 1n, periodStart: 0 },
    ] as const;
    const tooLarge = [{ kind: 'refused', refusal: { code: 'amount_too_large' } }];
    expect(new Story().at(0, late(LARGEST_AMOUNT + 1n)).outcomes).toMatchObject(tooLarge);
    expect(new Story({ limits }).at(0, late(2n)).outcomes).toMatchObject(tooLarge);
    const story = new Story();
    expect(story.at(0, late(LARGEST_AMOUNT)).outcomes).toMatchObject([{ kind: 'recorded' }]);
    expect(story.at(1, late(1n)).outcomes).toMatchObject(tooLarge);
    story.at(2, grant(1n));
    expect(story.at(3, late(1n)).outcomes).toMatchObject([{ kind: 'recorded' }]);
  });
});
