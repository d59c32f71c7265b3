import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { isEventStream, type SentHeaders } from '../request/headers.ts';
import { announcedLength } from '../request/request-body.ts';

/** An answer that announces at most this size is read whole: a stream costs more (adr/0012). */
const SMALL_BYTES = 65_536;
/** The highest valid status (RFC 9110 §15); Node refuses to send a higher one. */
const HIGHEST_STATUS = 599;

/** The answer of an upstream. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: SentHeaders;
  /** A Buffer if it is small, otherwise a stream. */
  readonly body: Buffer | Readable;
}

/** One request to an upstream and its answer, over undici's dispatcher. Use it once. */
export class Exchange implements Dispatcher.DispatchHandler {
  /** The status of the answer; null: none has come. */
  status: number | null = null;
  /** Whether a part of a streamed body has come. */
  hasBody = false;
  /** Whether the upstream caused its failure, and neither `abort` nor the request's body. */
  brokeOff = false;
  /** Whether it has ended, with or without success. */
  isOver = false;
  readonly #onOver: () => void;
  /** Whether a connection has begun the request. */
  #isTaken = false;
  #aborted: Error | undefined;
  #headers: SentHeaders = {};
  #controller: Dispatcher.DispatchController | undefined;
  #requestBody: Buffer | Readable | null = null;
  /** The body of a small answer, as far as it has come. */
  readonly #chunks: Buffer[] = [];
  /** The body of an answer that streams. */
  #body: Readable | undefined;
  #resolve: (answer: UpstreamAnswer) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  /** `onOver` runs once, when the connection is free again. */
  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Whether any byte was sent. The head of a streamed request is sent with the first piece of its body. */
  get isSent(): boolean {
    const body = this.#requestBody;
    return this.#isTaken && !(body instanceof Readable && !body.readableDidRead);
  }

  /**
   * Sends the request. Rejects if there is no answer, or if a small one does not come whole. The error is
   * undici's, the request body's, or the one given to `abort`.
   */
  ask(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions): Promise<UpstreamAnswer> {
    if (this.#aborted) return Promise.reject(this.#aborted);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#requestBody = options.body as Buffer | Readable | null;
      try {
        dispatcher.dispatch(options, this);
      } catch (error) {
        this.onResponseError(undefined, error as Error);
      }
    });
  }

  /** Ends the exchange. A request that still waits for a connection is never sent. */
  abort(error: Error): void {
    if (this.isOver || this.#aborted) return;
    this.#aborted = error;
    if (this.#controller) this.#controller.abort(error);
    else this.onResponseError(undefined, error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(this.#aborted);
    else this.#isTaken = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: SentHeaders,
  ): void {
    // An interim response, such as 103 (RFC 9110 §15.2).
    if (status < 200) return;
    if (status > HIGHEST_STATUS) {
      controller.abort(new Error(`the upstream answered with the status ${status}`));
      return;
    }
    this.status = status;
    this.#headers = headers;
    const announced = announcedLength(headers);
    const isSmall = announced !== undefined && announced <= SMALL_BYTES;
    if (isSmall && !isEventStream(headers)) return;
    const body = new Readable({
      read: () => controller.resume(),
      destroy: (error, done) => {
        if (!this.isOver) this.abort(error ?? new Error('nobody takes the answer any more'));
        done(error);
      },
    });
    // Readers add their own listeners; an error without any would end the process.
    body.on('error', () => {});
    this.#body = body;
    this.#resolve({ status, headers, body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.hasBody = true;
    if (!this.#body) this.#chunks.push(chunk);
    else if (!this.#body.push(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#body) this.#body.push(null);
    else {
      const body = Buffer.concat(this.#chunks);
      this.#resolve({ status: this.status ?? 0, headers: this.#headers, body });
    }
    this.#over();
  }

  onResponseError(_controller: unknown, error: Error): void {
    const isOfRequest = this.#requestBody instanceof Readable && this.#requestBody.errored !== null;
    this.brokeOff = !this.#aborted && !isOfRequest;
    this.#over();
    if (this.#body) this.#body.destroy(error);
    else this.#reject(error);
    // The promise has this error already.
    if (this.#requestBody instanceof Readable) {
      this.#requestBody.on('error', () => {}).destroy(error);
    }
  }

  #over(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#onOver();
  }
}
