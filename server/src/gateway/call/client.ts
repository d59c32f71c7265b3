/** The client's side of a call; `http/gateway/` implements it. */
export interface Client {
  /** Whether it disconnected before it had the whole answer. */
  readonly hasLeft: boolean;
  /** Whether the call waits for this client to read, rather than for the upstream. */
  readonly isSlow: boolean;
  /** Whether it has not read for so long that a broken answer counts as the client's doing. */
  readonly hasHeldUp: boolean;
  /** Runs `listener` once: after the whole answer was sent, or when the client disconnects before. */
  onClosed(listener: (isWhole: boolean) => void): void;
  /** Closes its connection. */
  disconnect(): void;
}
