/** The customer's side of a call. The wire implements it. */
export interface Client {
  /** Whether its connection has closed before it had the whole answer. */
  readonly hasLeft: boolean;
  /** Whether a call that takes too long has waited for this client. */
  readonly isSlow: boolean;
  /** Whether it has held its answer up for a good part of the longest time that the call may take. */
  readonly hasHeldUp: boolean;
  /** Runs `listener` once when the answer has been sent whole, or the connection closes before that. */
  onClosed(listener: (isWhole: boolean) => void): void;
  /** Closes its connection. */
  disconnect(): void;
}
