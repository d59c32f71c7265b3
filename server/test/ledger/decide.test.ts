import { describe, expect, test } from 'vitest';
import type { AccountId } from '../../src/ledger/operations/ids.ts';
import { LARGEST_AMOUNT } from '../../src/ledger/operations/money.ts';
import { decide } from '../../src/ledger/rules/decide.ts';
import { ACCOUNT, account, charge, grant, NOW } from './account.ts';

describe('decide()', () => {
  test('a charge for exactly what is there ends at 0; one more microcent is refused', () => {
    const state = account();
    const { outcomes } = decide(
      state,
      [grant(3n), grant(4n), charge(8n), charge(7n), charge(1n)],
      NOW,
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      'recorded',
      'recorded',
      'refused',
      'recorded',
      'refused',
    ]);
    expect(state.posted).toBe(0n);
    expect(outcomes[2]).toMatchObject({
      kind: 'refused',
      refusal: {
        code: 'insufficient_credits',
        available: 7n,
        required: 8n,
        elsewhere: 0n,
        debt: 0n,
      },
    });
  });

  test('time never goes back behind the last operation', () => {
    const state = account({ lastAt: NOW + 5_000 });
    const { recorded } = decide(state, [grant(3n)], NOW);
    expect(recorded[0]?.at).toBe(NOW + 5_000);
  });

  test('a grant beyond the thousandth live one is refused by name', () => {
    const state = account();
    const many = Array.from({ length: 1_001 }, () => grant(1n));
    const { outcomes } = decide(state, many, NOW);
    expect(outcomes[999]?.kind).toBe('recorded');
    expect(outcomes[1_000]).toMatchObject({
      kind: 'refused',
      refusal: { code: 'too_many_grants' },
    });
    const spent = decide(state, [charge(1n), grant(1n)], NOW);
    expect(spent.outcomes.map(({ kind }) => kind)).toEqual(['recorded', 'recorded']);
  });

  test('a balance never leaves int64', () => {
    const state = account();
    const { outcomes } = decide(state, [grant(LARGEST_AMOUNT), grant(1n)], NOW);
    expect(outcomes[0]?.kind).toBe('recorded');
    expect(outcomes[1]).toMatchObject({ kind: 'refused', refusal: { code: 'amount_too_large' } });
  });

  describe('a charge that names a key', () => {
    const key = { account: ACCOUNT, scopes: ['search'], expiresAt: null, revokedAt: null };
    const other = '00000000-0000-0000-0000-000000000002' as AccountId;
    test.each([
      ['of its account with the scope is recorded', key, undefined],
      ['of another account is refused', { ...key, account: other }, { code: 'api_key_not_found' }],
      [
        'that is revoked is refused',
        { ...key, revokedAt: NOW - 1 },
        { code: 'api_key_inactive', reason: 'revoked' },
      ],
      [
        'that has expired at this instant is refused',
        { ...key, expiresAt: NOW },
        { code: 'api_key_inactive', reason: 'expired' },
      ],
      ['that expires in a millisecond is recorded', { ...key, expiresAt: NOW + 1 }, undefined],
      ['without the scope is refused', { ...key, scopes: [] }, { code: 'missing_scopes' }],
    ])('%s', (_, facts, refusal) => {
      const state = account({ keys: new Map([['k', facts]]) });
      const spent = charge(1n, { apiKeyId: 'k', scope: 'search' });
      const { outcomes } = decide(state, [grant(5n), spent], NOW);
      const expected = refusal ? { kind: 'refused', refusal } : { kind: 'recorded' };
      expect(outcomes[1]).toMatchObject(expected);
    });
  });

  test('an id that agrees only in its first half names no account', () => {
    const { outcomes } = decide(account(), [{ ...grant(5n), accountPublicId: 'other' }], NOW);
    expect(outcomes).toMatchObject([{ kind: 'refused', refusal: { code: 'account_not_found' } }]);
  });

  test('an operator key that was revoked meanwhile moves nothing', () => {
    const revoked = new Map([['op', { expiresAt: null, revokedAt: NOW - 1 }]]);
    const state = account({ operatorKeys: revoked });
    const actor = { kind: 'operator_key', id: 'op' } as const;
    const { outcomes, recorded } = decide(state, [{ ...grant(5n), actor }], NOW);
    expect(outcomes).toMatchObject([
      { kind: 'refused', refusal: { code: 'operator_key_invalid' } },
    ]);
    expect(recorded).toEqual([]);
  });

  test('a suspended account refuses charges, replays them, and takes grants', () => {
    const first = charge(2n);
    const state = account();
    decide(state, [grant(5n), first], NOW);
    const { outcomes } = decide(
      { ...state, status: 'suspended' },
      [first, charge(1n), grant(1n)],
      NOW,
    );
    expect(outcomes).toMatchObject([
      { kind: 'replayed', receipt: { amount: 2n } },
      { kind: 'refused', refusal: { code: 'account_suspended' } },
      { kind: 'recorded' },
    ]);
  });
});
