import type { AccountId } from '../operations/ids.ts';
import type { FailureCode, Operation, Outcome } from '../operations/operations.ts';

/** The most operations that may wait in a lane; others fail as `overloaded`. */
const CAPACITY = 10_000;
/** The most of one account: a quarter, so that a hot account leaves room for the others. */
const ACCOUNT_CAPACITY = CAPACITY / 4;
/** The most operations of a batch bound the size of its writes, the most accounts its locks. */
const MOST_OPERATIONS = 1_000;
const MOST_ACCOUNTS = 128;
/** The longest wait of an operation for its batch. */
const LONGEST_WAIT_MS = 2_000;

/** A queued operation. */
export interface Waiting {
  readonly operation: Operation;
  /** Whether the caller still waits. */
  readonly isWanted: () => boolean;
  readonly settle: (outcome: Outcome) => void;
  /** Ends the wait of a caller that has left. */
  readonly drop: () => void;
  /** The time of its arrival, by the process's monotonic clock. */
  readonly since: number;
}

/** The operations that wait for a lane, in order of arrival; bounded in all and by account. */
export class Queue {
  #waiting: Waiting[] = [];
  readonly #byAccount = new Map<AccountId, number>();

  get length(): number {
    return this.#waiting.length;
  }

  /** Adds an operation; false: the queue is full, or the account's share of it is. */
  push(waiting: Waiting): boolean {
    const { account } = waiting.operation;
    const ofAccount = this.#byAccount.get(account) ?? 0;
    if (this.#waiting.length >= CAPACITY || ofAccount >= ACCOUNT_CAPACITY) return false;
    this.#waiting.push(waiting);
    this.#byAccount.set(account, ofAccount + 1);
    return true;
  }

  /** Removes and returns the next batch, and drops operations whose caller has left. */
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

  /** Fails, with `code`, the operations that have waited too long at `now`. */
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
