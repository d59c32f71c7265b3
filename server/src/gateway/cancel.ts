import { EventEmitter } from 'node:events';

/** Why a call ends before its answer is whole. */
export type CancelReason =
  | 'client_left'
  /** The call took longer than its route lets it, and it was the client that it waited for. */
  | 'client_slow'
  | 'upstream_slow'
  | 'server_stops';

/**
 * Ends a call: its request to the upstream, and all that waits for it. An emitter of `abort`: an
 * `AbortController` costs as much as all the rest of a call's own work.
 */
export class Cancel extends EventEmitter<{ abort: [] }> {
  /** Null: the call goes on. */
  reason: CancelReason | null = null;

  get aborted(): boolean {
    return this.reason !== null;
  }

  /** Whether it is the client that has ended the call. */
  get isByClient(): boolean {
    return this.reason === 'client_left' || this.reason === 'client_slow';
  }

  /** The first reason counts. */
  because(reason: CancelReason): void {
    if (this.reason !== null) return;
    this.reason = reason;
    this.emit('abort');
  }
}
