import { hash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import type { PostgresDatabase } from '../../src/db/connection/postgres.ts';
import { type Account, createAccount } from '../../src/ledger/accounts/accounts.ts';
import type { LedgerObserver } from '../../src/ledger/lane/observer.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import {
  type ChargeOperation,
  type Digest,
  type GrantOperation,
  LOCAL,
  type Operation,
  type Outcome,
} from '../../src/ledger/operations/operations.ts';

/** Counts the events that a ledger tells its observer. */
export class Counts implements LedgerObserver {
  readonly by: Record<string, number> = {};
  batch(operations: number): void {
    this.#add('batches');
    this.#add('operations', operations);
  }
  queued(): void {}
  committed(): void {
    this.#add('commits');
  }
  ranAgain(reason: string): void {
    this.#add(reason);
  }
  refused(code: string): void {
    this.#add(code);
  }
  failed(code: string): void {
    this.#add(code);
  }
  reads(): void {
    this.#add('reads');
  }
  #add(word: string, count = 1): void {
    this.by[word] = (this.by[word] ?? 0) + count;
  }
}

const silent = { warn: () => {}, error: () => {} };

/** Makes a ledger over a database, as a node does. */
export function newLedger(database: PostgresDatabase): { ledger: Ledger; counts: Counts } {
  const counts = new Counts();
  return { ledger: new Ledger(database, { log: silent, observer: counts }), counts };
}

/** Makes a ledger for the whole test file. It stops before its database is dropped. */
export function useLedger(database: PostgresDatabase): { ledger: Ledger; counts: Counts } {
  const rig = {} as { ledger: Ledger; counts: Counts };
  beforeAll(() => Object.assign(rig, newLedger(database)));
  afterAll(() => rig.ledger.stop());
  return rig;
}

export async function newAccount(database: PostgresDatabase): Promise<Account> {
  const made = await createAccount(database, { kind: 'organization', name: 'A', externalId: null });
  if (!('created' in made)) throw new Error('the account exists');
  return made.created;
}

/** The digest of a text, computed as HTTP routes do for an idempotency key or a payload. */
export function digest(text: string): Digest {
  return `\\x${hash('sha256', text).slice(0, 32)}` as Digest;
}

export function chargeOf(account: Account, change: Partial<ChargeOperation> = {}): Operation {
  return {
    kind: 'charge',
    account: account.id,
    accountPublicId: account.publicId,
    actor: LOCAL,
    idempotencyDigest: digest(randomUUID()),
    fingerprint: digest('payload'),
    amount: 1n,
    description: null,
    metadata: null,
    scope: null,
    apiKeyId: null,
    keySecret: null,
    ...change,
  };
}

export function grantOf(account: Account, amount: bigint, change: Partial<GrantOperation> = {}) {
  const operation: GrantOperation = {
    kind: 'grant',
    account: account.id,
    accountPublicId: account.publicId,
    actor: LOCAL,
    idempotencyDigest: digest(randomUUID()),
    fingerprint: digest('payload'),
    amount,
    description: null,
    metadata: null,
    terms: { category: 'paid', priority: 50, effectiveAt: null, expiresAt: null, appliesTo: null },
    ...change,
  };
  return operation;
}

export const wanted = (): boolean => true;

/** Counts outcomes by kind, refusals and failures by code. */
export function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) {
    const word =
      outcome.kind === 'refused'
        ? outcome.refusal.code
        : outcome.kind === 'failed'
          ? outcome.code
          : outcome.kind;
    counts[word] = (counts[word] ?? 0) + 1;
  }
  return counts;
}
