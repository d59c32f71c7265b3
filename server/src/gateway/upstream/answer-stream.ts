import { finished, Readable } from 'node:stream';

/** Many clients disconnect after the last event; the answer may end this much later. */
const LONGEST_END_MS = 500;

/** Sees an answer as it passes. */
export interface Observer {
  /** Gets each piece before the customer does. */
  onPiece(piece: Buffer): void;
  /** Runs after the last piece and before the answer ends. Its result is appended to the answer. */
  onEnd(): Promise<Buffer | null>;
}

/**
 * An upstream's body on its way to the customer, with an observer. A slow reader slows the upstream
 * down. After `detach` the observer sees the rest of the body although nobody reads it.
 */
export class AnswerStream extends Readable {
  readonly #source: Readable;
  #isDetached = false;

  constructor(source: Readable, observer: Observer) {
    super();
    this.#source = source;
    // An error without a listener would end the process.
    this.on('error', () => {});
    source.on('data', (piece: Buffer) => {
      observer.onPiece(piece);
      if (!this.#isDetached && !this.push(piece)) source.pause();
    });
    source.once('end', () => {
      observer.onEnd().then(
        (last) => {
          if (last !== null) this.push(last);
          this.push(null);
        },
        (error: Error) => this.destroy(error),
      );
    });
    // `finished` also reports a failure from before this line.
    finished(source, { writable: false }, (error) => {
      if (error) this.destroy(error);
    });
    source.pause();
  }

  /** Stops passing pieces on, and observes the rest. `onLate` runs if the end does not come soon. */
  detach(onLate: (() => void) | null): void {
    this.#isDetached = true;
    if (onLate) {
      const timer = setTimeout(onLate, LONGEST_END_MS);
      this.#source.once('close', () => clearTimeout(timer));
    }
    this.#source.resume();
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#isDetached) this.#source.destroy(error ?? undefined);
    done(error);
  }
}
