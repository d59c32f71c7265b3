import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccountState, type Decision, decide } from '../../src/ledger/decide.ts';
import type { AccountId } from '../../src/ledger/ids.ts';
import { LARGEST_AMOUNT } from '../../src/ledger/money.ts';
import type { Digest, Operation, Outcome } from '../../src/ledger/operations.ts';
import { Model, type ModelOutcome } from './model.ts';

const ACCOUNT = '00000000-0000-0000-0000-000000000001' as AccountId;
const PUBLIC_ID = '00'.repeat(15) + '01'.repeat(17);
const NOW = 1_800_000_000_000;

function account(change: Partial<AccountState> = {}): AccountState {
  return {
    account: ACCOUNT,
    publicId: PUBLIC_ID,
    status: 'active',
    overdraftLimit: 0n,
    overdraftUsed: 0n,
    posted: 0n,
    held: 0n,
    lastNumber: 0n,
    lastAt: 0,
    grants: [],
    known: new Map(),
    keys: new Map(),
    operatorKeys: new Map(),
    ...change,
  };
}

let count = 0;
function asked(change: Partial<Operation>): Operation {
  count += 1;
  return {
    kind: 'charge',
    account: ACCOUNT,
    accountPublicId: PUBLIC_ID,
    operatorKeyId: null,
    idempotencyDigest: `\\x${count}` as Digest,
    fingerprint: '\\xff' as Digest,
    amount: 1n,
    description: null,
    metadata: null,
    scope: null,
    apiKeyId: null,
    ...change,
  } as Operation;
}

function grant(amount: bigint, terms: Partial<(Operation & { kind: 'grant' })['terms']> = {}) {
  return asked({
    kind: 'grant',
    amount,
    terms: { category: 'paid', priority: 50, expiresAt: null, appliesTo: null, ...terms },
  });
}

const scopes = fc.constantFrom('search', 'contents');
const operations = fc.record({
  isGrant: fc.boolean(),
  amount: fc.oneof(
    { weight: 9, arbitrary: fc.bigInt(1n, 60n) },
    { weight: 1, arbitrary: fc.constantFrom(LARGEST_AMOUNT, LARGEST_AMOUNT - 30n) },
  ),
  category: fc.constantFrom('paid' as const, 'promotional' as const),
  priority: fc.constantFrom(0, 50, 100),
  expiresAt: fc.constantFrom(null, NOW + 1_000, NOW + 2_000),
  appliesTo: fc.option(fc.uniqueArray(scopes, { minLength: 1 })),
  scope: fc.option(scopes),
  key: fc.integer({ min: 0, max: 40 }),
  payload: fc.boolean(),
});

function operationOf(
  shape: typeof operations extends fc.Arbitrary<infer T> ? T : never,
): Operation {
  const common = {
    amount: shape.amount,
    idempotencyDigest: `\\x${shape.key}` as Digest,
    fingerprint: `\\x${shape.payload}` as Digest,
  };
  return shape.isGrant
    ? asked({ ...grant(0n, shape), ...common } as Operation)
    : asked({ scope: shape.scope, ...common });
}

function inModelTerms(outcome: Outcome | undefined): ModelOutcome | undefined {
  switch (outcome?.kind) {
    case 'recorded':
      return {
        kind: 'recorded',
        number: Number(outcome.receipt.number),
        lines: outcome.receipt.entries.map((entry) => ({
          number: Number(outcome.receipt.number),
          grant: entry.grant === null ? null : Number(entry.grant),
          amount: entry.amount,
        })),
      };
    case 'replayed':
      return { kind: 'replayed', number: Number(outcome.receipt.number) };
    case 'refused':
      return { kind: 'refused', refusal: outcome.refusal };
    default:
      return undefined;
  }
}

/** What the database would hold after the batch: used-up grants are not read again. */
function readAgain(state: AccountState): AccountState {
  return { ...state, grants: state.grants.filter(({ remaining }) => remaining > 0n) };
}

function expectInvariants(state: AccountState, decision: Decision, model: Model): void {
  expect(state.posted).toBe(model.posted);
  const left = state.grants.reduce((total, { remaining }) => total + remaining, 0n);
  expect(left - state.overdraftUsed).toBe(state.posted);
  for (const { number, remaining, reserved } of state.grants) {
    expect(remaining).toBe(model.remaining(Number(number)));
    expect(0n <= reserved && reserved <= remaining).toBe(true);
  }
  for (const receipt of decision.recorded) {
    const sum = receipt.entries.reduce((total, { amount }) => total + amount, 0n);
    expect(sum).toBe(receipt.kind === 'grant' ? receipt.amount : -receipt.amount);
  }
}

describe('decide()', () => {
  test('agrees with the reference model on any sequence of operations in any batches', () => {
    const sequences = fc.record({
      batches: fc.array(fc.array(operations, { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
      overdraftLimit: fc.constantFrom(0n, 0n, 25n),
      suspended: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    });
    fc.assert(
      fc.property(sequences, ({ batches, overdraftLimit, suspended }) => {
        const model = new Model(overdraftLimit, suspended);
        let state = account({ overdraftLimit, status: suspended ? 'suspended' : 'active' });
        for (const batch of batches) {
          const asked = batch.map(operationOf);
          const decision = decide(state, asked, NOW);
          const expected = asked.map((operation) => model.perform(operation));
          expect(decision.outcomes.map(inModelTerms)).toEqual(expected);
          expectInvariants(state, decision, model);
          state = readAgain(state);
        }
      }),
      { numRuns: 12_000 },
    );
  });

  test('a charge for exactly what is there ends at 0; one more microcent is refused', () => {
    const state = account();
    const { outcomes } = decide(
      state,
      [grant(3n), grant(4n), asked({ amount: 8n }), asked({ amount: 7n }), asked({ amount: 1n })],
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
    expect(outcomes[2]).toEqual({
      kind: 'refused',
      refusal: { code: 'insufficient_credits', available: 7n, required: 8n },
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
    expect(outcomes[1_000]).toEqual({ kind: 'refused', refusal: { code: 'too_many_grants' } });
    const spent = decide(state, [asked({ amount: 1n }), grant(1n)], NOW);
    expect(spent.outcomes.map(({ kind }) => kind)).toEqual(['recorded', 'recorded']);
  });

  test('a balance never leaves int64', () => {
    const state = account();
    const { outcomes } = decide(state, [grant(LARGEST_AMOUNT), grant(1n)], NOW);
    expect(outcomes[0]?.kind).toBe('recorded');
    expect(outcomes[1]).toEqual({ kind: 'refused', refusal: { code: 'amount_too_large' } });
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
      const charge = asked({ apiKeyId: 'k', scope: 'search' });
      const { outcomes } = decide(state, [grant(5n), charge], NOW);
      const expected = refusal ? { kind: 'refused', refusal } : { kind: 'recorded' };
      expect(outcomes[1]).toMatchObject(expected);
    });
  });

  test('an id that agrees only in its first half names no account', () => {
    const { outcomes } = decide(account(), [{ ...grant(5n), accountPublicId: 'other' }], NOW);
    expect(outcomes).toEqual([{ kind: 'refused', refusal: { code: 'account_not_found' } }]);
  });

  test('an operator key that was revoked meanwhile moves nothing', () => {
    const revoked = new Map([['op', { expiresAt: null, revokedAt: NOW - 1 }]]);
    const state = account({ operatorKeys: revoked });
    const { outcomes, recorded } = decide(state, [{ ...grant(5n), operatorKeyId: 'op' }], NOW);
    expect(outcomes).toEqual([{ kind: 'refused', refusal: { code: 'operator_key_invalid' } }]);
    expect(recorded).toEqual([]);
  });

  test('a suspended account refuses charges, replays them, and takes grants', () => {
    const first = asked({ amount: 2n });
    const state = account();
    decide(state, [grant(5n), first], NOW);
    const { outcomes } = decide(
      { ...state, status: 'suspended' },
      [first, asked({ amount: 1n }), grant(1n)],
      NOW,
    );
    expect(outcomes).toMatchObject([
      { kind: 'replayed', receipt: { amount: 2n } },
      { kind: 'refused', refusal: { code: 'account_suspended' } },
      { kind: 'recorded' },
    ]);
  });
});
