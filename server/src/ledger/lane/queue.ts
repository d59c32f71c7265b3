import type { AccountId } from '../operations/ids.ts';
import type { FailureCode, Operation, Outcome } from '../operations/operations.ts';

/** Operations that may wait in a lane; beyond it a caller is told to come back. */
const CAPACITY = 10_000;
/** At most a quarter for one account, so that a hot one leaves room for the others. */
const ACCOUNT_CAPACITY = CAPACITY / 4;
/** What one batch takes at most: of operations for the size of its writes, of accounts for its locks. */
const MOST_OPERATIONS = 1_000;
const MOST_ACCOUNTS = 128;
/** How long an operation waits for the start of its batch. */
const LONGEST_WAIT_MS = 2_000;

/** An operation that somebody waits for. */
export interface Waiting {
  readonly operation: Operation;
  /** Whether the caller is still there. */
  readonly isWanted: () => boolean;
  readonly settle: (outcome: Outcome) => void;
  /** Ends the wait of a caller that has left. */
  readonly drop: () => void;
  /** When it came, by the process's monotonic clock. */
  readonly since: number;
}

/** What waits for a lane, in order of arrival, bounded in all and by account. */
export class Queue {
  #waiting: Waiting[] = [];
  readonly #byAccount = new Map<AccountId, number>();

  get length(): number {
    return this.#waiting.length;
  }

  /** Lets an operation in; false where the queue, or its account's share, is full. */
  push(waiting: Waiting): boolean {
    const { account } = waiting.operation;
    const ofAccount = this.#byAccount.get(account) ?? 0;
    if (this.#waiting.length >= CAPACITY || ofAccount >= ACCOUNT_CAPACITY) return false;
    this.#waiting.push(waiting);
    this.#byAccount.set(account, ofAccount + 1);
    return true;
  }

  /**
   * The next batch. What nobody waits for any more is dropped: it was never begun.
   */
  take(): Waiting[] {
    const batch: Waiting[] = [];
    const accounts = new Set<AccountId>();
    let taken = 0;
    for (const waiting of this.#waiting) {
      if (batch.length >= MOST_OPERATIONS) break;
      const { account } = waiting.operation;
      if (accounts.size >= MOST_ACCOUNTS && !accounts.has(account)) break;
      taken += 1;
      if (!waiting.isWanted()) {
        waiting.drop();
        continue;
      }
      accounts.add(account);
      batch.push(waiting);
    }
    this.#remove(taken);
    return batch;
  }

  /** Refuses with `code` all that has waited too long at the instant `now`. */
  expire(now: number, code: FailureCode): void {
    let expired = 0;
    for (const waiting of this.#waiting) {
      if (now - waiting.since < LONGEST_WAIT_MS) break;
      waiting.settle({ kind: 'failed', code });
      expired += 1;
    }
    if (expired > 0) this.#remove(expired);
  }

  #remove(count: number): void {
    for (const { operation } of this.#waiting.slice(0, count)) {
      const left = (this.#byAccount.get(operation.account) ?? 0) - 1;
      if (left > 0) this.#byAccount.set(operation.account, left);
      else this.#byAccount.delete(operation.account);
    }
    this.#waiting = this.#waiting.slice(count);
  }
}
