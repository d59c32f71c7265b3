import type { Operation } from '../../src/ledger/operations/operations.ts';
import type { AccountState } from '../../src/ledger/rules/account-state.ts';
import { decide } from '../../src/ledger/rules/decide.ts';
import { asked, NOW } from './account.ts';
import { Store } from './store.ts';

/** Accounts over time without a database, and operations on them. */

export const SECOND = 1_000;

/** An account over several batches, each read from a `Store` and written to it. */
export class Story {
  readonly store: Store;

  constructor(change: Partial<AccountState> = {}) {
    this.store = new Store(change);
  }

  /** Decides a batch at an instant, in seconds after `NOW`. */
  at(seconds: number, ...operations: Operation[]) {
    const now = NOW + seconds * SECOND;
    const state = this.store.read(operations, now);
    const decision = decide(state, operations, now);
    this.store.write(state, decision);
    return decision;
  }

  get available(): bigint {
    return this.store.balance.posted - this.store.balance.held;
  }
}

/** A hold that expires after some seconds. */
export const hold = (
  amount: bigint,
  seconds = 60,
  change: Partial<Operation & { kind: 'hold' }> = {},
) => asked('hold', { amount, expiresInMs: seconds * SECOND, ...change });
export const capture = (number: bigint, amount: bigint) =>
  asked('capture', { hold: number, amount });
export const reversal = (number: bigint, amount: bigint | null = null) =>
  asked('reversal', { charge: number, amount });
/** The sweeper's operation. */
export const advance = asked('advance', {});
