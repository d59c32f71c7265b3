import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Client } from '../../gateway/call/client.ts';

/** The share of a call's longest time for which a client may hold its answer up. */
const TOLERATED = 0.1;
/** At most: servers break an answer off that nobody takes for half a minute or a minute. */
const MOST_TOLERATED_MS = 15_000;

/** A client of the gateway over HTTP, from its body to the last byte of its answer. */
export class HttpClient implements Client {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #toleratedMs: number;
  #heldUpMs = 0;
  /** Since when it takes nothing; null: it does. */
  #since: number | null = null;
  #hasLeft = false;

  /** `longestMs` is how long the call may take. The response must have its socket. */
  constructor(request: IncomingMessage, response: ServerResponse, longestMs: number) {
    this.#request = request;
    this.#response = response;
    this.#toleratedMs = Math.min(TOLERATED * longestMs, MOST_TOLERATED_MS);
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /**
   * Whether it has not sent all of its body, has not taken the end of the answer, or has held the answer
   * up before.
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
      // The part that a lost connection had still to write counts as written.
      const isWhole = this.#response.writableFinished && !this.#request.socket.destroyed;
      this.#hasLeft = !isWhole;
      listener(isWhole);
    });
  }

  disconnect(): void {
    if (!this.#response.writableFinished) this.#response.destroy();
  }

  /** Measures how long the answer is held up: it pauses while the connection takes no more. */
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
