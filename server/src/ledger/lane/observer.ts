/** Hears of the ledger's work, for metrics. Its methods must be cheap, and must not throw. */
export interface LedgerObserver {
  /** A batch begins. */
  batch(operations: number, accounts: number): void;
  /** The number of operations that wait for their batch. */
  queued(length: number): void;
  committed(): void;
  /** A batch is retried. */
  ranAgain(reason: RunAgainReason): void;
  /** The code of a `Refusal`. */
  refused(code: string): void;
  /** A `FailureCode`. */
  failed(code: string): void;
  /** A batch of reads answered this number of distinct keys. */
  reads(keys: number): void;
}

export type RunAgainReason =
  | 'lock_timeout'
  | 'connection_lost'
  | 'connection_unfit'
  | 'halved'
  | 'conflict';
