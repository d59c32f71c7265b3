import { finished, Readable } from 'node:stream';

/** Many clients leave after the last event: the end of the answer may come so much later. */
const LONGEST_END_MS = 500;

/** What looks on as an answer passes. */
export interface Observer {
  /** Each piece, before it goes out. */
  onPiece(piece: Buffer): void;
  /** Runs after the last piece and before the answer ends; the answer ends with what it resolves to. */
  onEnd(): Promise<Buffer | null>;
}

/**
 * An upstream's body on its way to the customer, with an observer. Its reader holds the upstream up,
 * unless it is detached: then the body is observed to its end though nobody takes it any more.
 */
export class AnswerStream extends Readable {
  readonly #source: Readable;
  #isDetached = false;

  constructor(source: Readable, observer: Observer) {
    super();
    this.#source = source;
    // An answer may break off when nobody listens to it.
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
    // It may have failed before.
    finished(source, { writable: false }, (error) => {
      if (error) this.destroy(error);
    });
    source.pause();
  }

  /** The customer has left: the rest is only observed. `onLate` runs if its end does not come soon. */
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
