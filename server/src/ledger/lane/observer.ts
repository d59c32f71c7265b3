/** What the ledger tells about its work; telemetry turns it into metrics. Calls are cheap and never fail. */
export interface LedgerObserver {
  /** A batch is about to run. */
  batch(operations: number, accounts: number): void;
  /** Operations that wait for their batch. */
  queued(length: number): void;
  committed(): void;
  /** A batch was run again, and why. */
  ranAgain(reason: RunAgainReason): void;
  /** An operation was refused, by `Refusal` code. */
  refused(code: string): void;
  /** Nothing could be said of an operation, by `FailureCode`. */
  failed(code: string): void;
  /** A batch of reads answered that many distinct keys. */
  reads(keys: number): void;
}

export type RunAgainReason =
  | 'lock_timeout'
  | 'connection_lost'
  | 'connection_unfit'
  | 'halved'
  | 'conflict';
