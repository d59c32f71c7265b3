import { describe, expect, test } from 'vitest';
import { decide } from '../../src/ledger/rules/decide.ts';
import { MOST_OPEN_HOLDS } from '../../src/ledger/rules/refuse.ts';
import { ACCOUNT, account, asked, charge, grant, NOW } from './account.ts';
import { advance, capture, hold, reversal, SECOND, Story } from './story.ts';

describe('time', () => {
  test('a grant that expires leaves to breakage at its instant, seen by the next batch', () => {
    const story = new Story();
    story.at(0, grant(7n, { expiresAt: NOW + 2 * SECOND }), grant(5n));
    story.at(1, charge(2n));
    const { recorded } = story.at(9, advance);
    expect(recorded).toMatchObject([
      { kind: 'grant_end', at: NOW + 2 * SECOND, amount: 5n, entries: [{ book: 'breakage' }] },
    ]);
    expect(story.available).toBe(5n);
  });

  test('a grant that is to come can be spent from its instant on, not before', () => {
    const story = new Story();
    story.at(0, grant(5n, { effectiveAt: NOW + 3 * SECOND }));
    expect(story.at(2, charge(1n)).outcomes[0]).toMatchObject({ kind: 'refused' });
    expect(story.at(3, charge(1n)).outcomes[0]).toMatchObject({ kind: 'recorded' });
  });

  test('at one instant grants start, then holds end, then grants end', () => {
    const story = new Story();
    const then = NOW + 2 * SECOND;
    story.at(0, grant(5n, { expiresAt: then }), grant(3n, { effectiveAt: then }), hold(4n, 2));
    const { recorded } = story.at(2, advance);
    expect(recorded.map(({ kind }) => kind)).toEqual(['grant_start', 'hold_expiry', 'grant_end']);
    expect(recorded[2]?.amount).toBe(5n);
    expect(story.available).toBe(3n);
  });
});

describe('a hold', () => {
  test('captured for less gives the rest back', () => {
    const story = new Story();
    story.at(0, grant(100n), hold(10n));
    expect(story.available).toBe(90n);
    story.at(1, capture(2n, 3n));
    expect(story.available).toBe(97n);
  });

  test('pays with what it reserved although the grant has ended meanwhile', () => {
    const story = new Story();
    story.at(0, grant(10n, { expiresAt: NOW + SECOND }), hold(6n));
    const { recorded } = story.at(5, capture(2n, 4n));
    expect(recorded.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['grant_end', 4n],
      ['capture', 4n],
      ['grant_end', 2n],
    ]);
    expect(story.store.balance).toMatchObject({ posted: 0n, held: 0n });
  });

  test('captured above what it holds makes a second charge, or is refused as a whole', () => {
    const story = new Story();
    story.at(0, grant(10n), hold(6n));
    expect(story.at(1, capture(2n, 11n)).outcomes[0]).toMatchObject({
      kind: 'refused',
      refusal: {
        code: 'insufficient_credits',
        available: 10n,
        required: 11n,
        elsewhere: 0n,
        debt: 0n,
      },
    });
    const { recorded } = story.at(1, capture(2n, 9n));
    expect(recorded.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['capture', 6n],
      ['overage', 3n],
    ]);
    expect(recorded[0]).toMatchObject({ overage: { number: 4n, amount: 3n }, availableAfter: 1n });
  });

  test('captured for nothing ends, with a receipt', () => {
    const story = new Story();
    story.at(0, grant(10n), hold(6n));
    expect(story.at(1, capture(2n, 0n)).recorded).toMatchObject([{ kind: 'capture', amount: 0n }]);
    expect(story.available).toBe(10n);
  });

  test('that has ended cannot be captured or voided, and says how it ended', () => {
    const story = new Story();
    story.at(0, grant(10n), hold(1n, 1), hold(2n), hold(3n));
    story.at(1, asked('hold_void', { hold: 3n }), capture(4n, 3n));
    const { outcomes } = story.at(
      2,
      capture(2n, 1n),
      asked('hold_void', { hold: 3n }),
      capture(4n, 3n),
      capture(9n, 1n),
    );
    expect(outcomes.map((outcome) => 'refusal' in outcome && outcome.refusal)).toEqual([
      { code: 'hold_ended', by: 'expiry', at: NOW + SECOND },
      { code: 'hold_ended', by: 'void', at: NOW + SECOND },
      { code: 'hold_ended', by: 'capture', at: NOW + SECOND },
      { code: 'hold_not_found' },
    ]);
  });

  test('beyond the ten-thousandth open one is refused by name', () => {
    const state = account({ openHolds: MOST_OPEN_HOLDS });
    const { outcomes } = decide(state, [grant(5n), hold(1n)], NOW);
    expect(outcomes[1]).toMatchObject({ kind: 'refused', refusal: { code: 'too_many_holds' } });
  });
});

describe('a reversal', () => {
  test('refills the last payer first, and restores the balance to the microcent', () => {
    const story = new Story({ overdraftLimit: 9n });
    story.at(0, grant(3n, { priority: 0 }), grant(4n), charge(9n));
    const part = story.at(1, reversal(3n, 3n)).recorded[0];
    expect(part?.entries.map(({ grant: of, amount }) => [of, amount])).toEqual([
      [null, 2n],
      [2n, 1n],
    ]);
    const rest = story.at(1, reversal(3n)).recorded[0];
    expect(rest?.entries.map(({ grant: of, amount }) => [of, amount])).toEqual([
      [2n, 3n],
      [1n, 3n],
    ]);
    expect(story.available).toBe(7n);
    expect(story.at(1, reversal(3n)).outcomes[0]).toMatchObject({
      kind: 'refused',
      refusal: { code: 'reversal_exceeds_charge', left: 0n },
    });
  });

  test('into a grant that has ended returns and leaves at once', () => {
    const story = new Story();
    story.at(0, grant(5n, { expiresAt: NOW + SECOND }), charge(5n));
    const { recorded } = story.at(2, reversal(2n));
    expect(recorded.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['reversal', 5n],
      ['grant_end', 5n],
    ]);
    expect(story.available).toBe(0n);
  });

  test('of what the overdraft paid and a grant repaid since lifts the line above zero, to be spent', () => {
    const story = new Story({ overdraftLimit: 5n });
    story.at(0, charge(5n));
    story.at(1, grant(8n));
    story.at(2, reversal(1n));
    expect(story.store.balance).toMatchObject({ posted: 8n, overdraftUsed: -5n });
    expect(story.at(3, charge(13n)).outcomes[0]).toMatchObject({ kind: 'recorded' });
    expect(story.store.balance).toMatchObject({ posted: -5n, overdraftUsed: 5n });
  });
});

describe('an adjustment', () => {
  test('below zero needs to be allowed, and goes past the overdraft limit then', () => {
    const story = new Story();
    story.at(0, grant(3n, { appliesTo: ['search'] }));
    const down = (allowNegative: boolean) => asked('adjustment', { amount: -5n, allowNegative });
    expect(story.at(1, down(false)).outcomes[0]).toMatchObject({ kind: 'refused' });
    expect(story.at(1, down(true)).outcomes[0]).toMatchObject({ kind: 'recorded' });
    expect(story.available).toBe(-2n);
  });
});

describe('a spend limit', () => {
  const limited = (amount: bigint) =>
    account({
      limits: [{ holder: ACCOUNT, period: 'day', amount, used: 0n, periodStart: 0 }],
    });

  test('counts a hold when it is made, corrects it when it ends, and starts anew the next day', () => {
    const story = new Story(limited(10n));
    story.at(0, grant(100n), hold(8n));
    expect(story.at(1, charge(3n)).outcomes[0]).toMatchObject({
      kind: 'refused',
      refusal: {
        code: 'spend_limit_reached',
        of: 'account',
        period: 'day',
        limit: 10n,
        used: 8n,
        resetAt: NOW + 12 * 3_600 * SECOND,
      },
    });
    story.at(2, capture(2n, 5n));
    expect(story.at(3, charge(5n)).outcomes[0]).toMatchObject({ kind: 'recorded' });
    expect(story.at(4, charge(1n)).outcomes[0]).toMatchObject({ kind: 'refused' });
    expect(story.at(12 * 3_600, charge(10n)).outcomes[0]).toMatchObject({ kind: 'recorded' });
  });

  test('does not refuse an overage, which counts all the same', () => {
    const story = new Story(limited(10n));
    story.at(0, grant(100n), hold(8n));
    expect(story.at(1, capture(2n, 20n)).outcomes[0]).toMatchObject({ kind: 'recorded' });
    expect(story.store.limits[0]?.used).toBe(20n);
  });
});

describe('a grant', () => {
  test('is extended to later only, and not once it has ended', () => {
    const story = new Story();
    const extend = (expiresAt: number | null) => asked('grant_extension', { grant: 1n, expiresAt });
    story.at(0, grant(5n, { expiresAt: NOW + SECOND }));
    expect(story.at(0, extend(NOW + 1)).outcomes[0]).toMatchObject({
      refusal: { code: 'expiry_not_later' },
    });
    expect(story.at(0, extend(NOW + SECOND)).outcomes[0]).toEqual({ kind: 'done' });
    expect(story.at(0, extend(NOW + 5 * SECOND)).outcomes[0]).toMatchObject({ kind: 'recorded' });
    expect(story.at(4, charge(1n)).outcomes[0]).toMatchObject({ kind: 'recorded' });
    expect(story.at(6, extend(null)).outcomes[0]).toMatchObject({
      refusal: { code: 'grant_ended', by: 'expiry' },
    });
  });

  test('that is used up before its expiry does not expire, whoever looks at it first', () => {
    const story = new Story();
    const expiresAt = NOW + 2 * SECOND;
    story.at(0, grant(3n, { expiresAt }), grant(9n, { expiresAt: expiresAt + SECOND }), charge(3n));
    const isOver = { refusal: { code: 'grant_ended', by: 'expiry', at: expiresAt } };
    // In this batch the other grant ends, and the first one is voided.
    const { outcomes } = story.at(9, asked('grant_void', { grant: 1n }));
    expect(outcomes).toMatchObject([isOver]);
    expect(story.store.grants.get(1n)?.ended).toBeNull();
    // The reversal finds the grant past its expiry.
    story.at(10, reversal(3n));
    expect(story.store.grants.get(1n)?.ended).toEqual({ at: expiresAt, by: 'expiry' });
  });

  test('of which all repays the overdraft when it starts is used up, not expired', () => {
    const terms = { effectiveAt: NOW + SECOND, expiresAt: NOW + 2 * SECOND };
    for (const sweeps of [[1], []]) {
      const story = new Story({ overdraftLimit: 5n });
      story.at(0, charge(5n), grant(3n, terms));
      for (const seconds of [...sweeps, 9]) story.at(seconds, advance);
      expect(story.store.grants.get(2n)).toMatchObject({ remaining: 0n, ended: null });
    }
  });

  test('that is voided sends what no hold has reserved back to where it came from', () => {
    const story = new Story();
    story.at(0, grant(9n, { category: 'promotional' }), hold(2n));
    const { recorded } = story.at(1, asked('grant_void', { grant: 1n }));
    expect(recorded).toMatchObject([
      { kind: 'grant_void', amount: 7n, remainingAfter: 2n, entries: [{ book: 'promotion' }] },
    ]);
    const after = story.at(2, asked('hold_void', { hold: 2n }));
    expect(after.recorded).toMatchObject([
      { kind: 'hold_void' },
      { kind: 'grant_end', amount: 2n, entries: [{ book: 'promotion' }] },
    ]);
    expect(story.available).toBe(0n);
  });
});
