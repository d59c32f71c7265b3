import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';

/** What of the longest time of a call a client may hold its answer up without being the slow one. */
const TOLERATED = 0.1;

/** How a client keeps up with its call, from its body to the last byte of its answer. */
export class Pace {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #toleratedMs: number;
  #heldUpMs = 0;
  /** Since when it takes nothing; null: it does. */
  #since: number | null = null;

  /** `longestMs` is how long the call may take. */
  constructor(request: IncomingMessage, response: ServerResponse, longestMs: number) {
    this.#request = request;
    this.#response = response;
    this.#toleratedMs = TOLERATED * longestMs;
  }

  /** Measures how long the answer is held up: it pauses while the connection takes no more. */
  follow(answer: Readable): void {
    answer.on('pause', () => {
      if (this.#response.writableNeedDrain) this.#since ??= performance.now();
    });
    this.#response.on('drain', () => {
      this.#heldUpMs = this.#heldUp;
      this.#since = null;
    });
  }

  /**
   * Whether it is the client that a call which takes too long has waited for: it has not sent all of its
   * body, has not taken the end of the answer, or has held the answer up before.
   */
  get isSlow(): boolean {
    const { writableNeedDrain, writableEnded } = this.#response;
    const isWaiting = !this.#request.complete || writableNeedDrain || writableEnded;
    return isWaiting || this.#heldUp > this.#toleratedMs;
  }

  get #heldUp(): number {
    return this.#heldUpMs + (this.#since === null ? 0 : performance.now() - this.#since);
  }
}
