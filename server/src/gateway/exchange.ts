import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Cancel } from './cancel.ts';
import { isEventStream, type SentHeaders } from './headers.ts';
import { announcedLength } from './request-body.ts';

/** An answer that announces to be no larger is read before it goes out: that is cheaper than a stream. */
const SMALL_BYTES = 65_536;
/** A status beyond 5xx is none (RFC 9110 §15), and could not be passed on. */
const HIGHEST_STATUS = 599;

/** What an upstream answers. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: SentHeaders;
  /** Whole where it is small, and otherwise as it comes. */
  readonly body: Buffer | Readable;
}

/** One request to an upstream and its answer, as undici's dispatcher tells of it. Use it once. */
export class Exchange implements Dispatcher.DispatchHandler {
  /** The status of the answer; null: none has come. */
  status: number | null = null;
  readonly #cancel: Cancel;
  readonly #onBodyError: () => void;
  #headers: SentHeaders = {};
  #controller: Dispatcher.DispatchController | undefined;
  #requestBody: Buffer | Readable | null = null;
  /** Of a small answer. */
  readonly #chunks: Buffer[] = [];
  /** Of one that streams. */
  #body: Readable | undefined;
  #resolve: (answer: UpstreamAnswer) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  /** `onBodyError` is told where a body that streams breaks off. */
  constructor(cancel: Cancel, onBodyError: () => void) {
    this.#cancel = cancel;
    this.#onBodyError = onBodyError;
  }

  /**
   * Sends the request. Rejects where there is no answer, or a small one does not come whole: with
   * undici's error, with that of the body, or with the reason of `cancel`.
   */
  ask(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions): Promise<UpstreamAnswer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#requestBody = options.body as Buffer | Readable | null;
      this.#cancel.once('abort', () => this.#stop());
      dispatcher.dispatch(options, this);
    });
  }

  /** What waits for a connection has no controller yet: it ends now, and is not sent once it has one. */
  #stop(): void {
    const error = new Error(`the call has ended: ${this.#cancel.reason}`);
    if (this.#controller) this.#controller.abort(error);
    else this.onResponseError(undefined, error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancel.aborted) this.#stop();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: SentHeaders,
  ): void {
    // Not the answer yet (RFC 9110 §15.2).
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
        controller.abort(error ?? new Error('nobody takes the answer any more'));
        done(error);
      },
    });
    body.on('error', this.#onBodyError);
    this.#body = body;
    this.#resolve({ status, headers, body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#body) this.#chunks.push(chunk);
    else if (!this.#body.push(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#body) this.#body.push(null);
    else {
      const body = Buffer.concat(this.#chunks);
      this.#resolve({ status: this.status ?? 0, headers: this.#headers, body });
    }
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#body) this.#body.destroy(error);
    else this.#reject(error);
    // Its error is told already.
    if (this.#requestBody instanceof Readable) {
      this.#requestBody.on('error', () => {}).destroy(error);
    }
  }
}
