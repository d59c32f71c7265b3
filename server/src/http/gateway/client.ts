import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Client } from '../../gateway/call/client.ts';

/** The fraction of a call's longest time for which a client may delay its answer. */
const TOLERATED = 0.1;
/** The longest delay: many servers abort an answer that nobody reads for half a minute. */
const MOST_TOLERATED_MS = 15_000;

/** A client of the gateway over HTTP, from its body to the last byte of its answer. */
export class HttpClient implements Client {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #toleratedMs: number;
  #heldUpMs = 0;
  /** The start of the present delay; null: there is none. */
  #since: number | null = null;
  #hasLeft = false;

  /** `longestMs` is the longest time of the call. The response must have its socket. */
  constructor(request: IncomingMessage, response: ServerResponse, longestMs: number) {
    this.#request = request;
    this.#response = response;
    this.#toleratedMs = Math.min(TOLERATED * longestMs, MOST_TOLERATED_MS);
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /**
   * Whether it has not sent its whole body, has not read the end of the answer, or has delayed the
   * answer before.
   */
  get isSlow(): boolean {
    const { writableNeedDrain, writableEnded } = this.#response;
    const isWaiting = !this.#request.complete || writableNeedDrain || writableEnded;
    return isWaiting || this.hasHeldUp;
  }

  get hasHeldUp(): boolean {
    return this.#heldUpMs + this.#heldUpNowMs > this.#toleratedMs;
  }

  onClosed(listener: (isWhole: boolean) => void): void {
    this.#response.once('close', () => {
      // Node counts the unwritten rest of a lost connection as written.
      const isWhole = this.#response.writableFinished && !this.#request.socket.destroyed;
      this.#hasLeft = !isWhole;
      listener(isWhole);
    });
  }

  disconnect(): void {
    if (!this.#response.writableFinished) this.#response.destroy();
  }

  /** Measures the delays of an answer: it pauses while the connection is full. */
  follow(answer: Readable): void {
    answer.on('pause', () => {
      if (this.#response.writableNeedDrain) this.#since ??= performance.now();
    });
    this.#response.on('drain', () => {
      this.#heldUpMs += this.#heldUpNowMs;
      this.#since = null;
    });
  }

  get #heldUpNowMs(): number {
    return this.#since === null ? 0 : performance.now() - this.#since;
  }
}
