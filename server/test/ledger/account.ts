import { randomUUID } from 'node:crypto';
import type { AccountId } from '../../src/ledger/operations/ids.ts';
import {
  type Digest,
  type GrantTerms,
  LOCAL,
  type Operation,
} from '../../src/ledger/operations/operations.ts';
import type { AccountState } from '../../src/ledger/rules/account-state.ts';

/** One account without a database, and operations on it. */

export const ACCOUNT = '00000000-0000-0000-0000-000000000001' as AccountId;
export const PUBLIC_ID = '00'.repeat(15) + '01'.repeat(17);
export const NOW = Date.UTC(2027, 0, 15, 12);

export function account(change: Partial<AccountState> = {}): AccountState {
  return {
    account: ACCOUNT,
    publicId: PUBLIC_ID,
    status: 'active',
    overdraftLimit: 0n,
    overdraftUsed: 0n,
    overdraftReserved: 0n,
    posted: 0n,
    held: 0n,
    openHolds: 0,
    lastNumber: 0n,
    lastAt: 0,
    nextDueAt: null,
    nextHoldEnd: null,
    grants: [],
    holds: new Map(),
    endedHolds: new Map(),
    charges: new Map(),
    limits: [],
    known: new Map(),
    keys: new Map(),
    secrets: new Map(),
    operatorKeys: new Map(),
    ...change,
  };
}

const COMMON = {
  account: ACCOUNT,
  accountPublicId: PUBLIC_ID,
  actor: LOCAL,
  fingerprint: '\\xff' as Digest,
  description: null,
  metadata: null,
};

/** An operation of a kind, with a new idempotency key. */
export function asked<Kind extends Operation['kind']>(
  kind: Kind,
  change: Partial<Operation & { kind: Kind }>,
): Operation & { kind: Kind } {
  const spending = { scope: null, apiKeyId: null, keySecret: null };
  const idempotencyDigest = `\\x${randomUUID()}` as Digest;
  return { ...COMMON, ...spending, idempotencyDigest, kind, ...change } as Operation & {
    kind: Kind;
  };
}

export function grant(amount: bigint, terms: Partial<GrantTerms> = {}) {
  return asked('grant', {
    amount,
    terms: {
      category: 'paid',
      priority: 50,
      effectiveAt: null,
      expiresAt: null,
      appliesTo: null,
      ...terms,
    },
  });
}

export function charge(amount: bigint, change: Partial<Operation & { kind: 'charge' }> = {}) {
  return asked('charge', { amount, ...change });
}
