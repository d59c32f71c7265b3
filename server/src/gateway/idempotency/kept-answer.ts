import { Readable } from 'node:stream';

/** Buffers for answers, with a bound on their memory. */

/** Copies a body as it passes, up to a bound. */
export class Recording {
  readonly #most: number;
  #pieces: Buffer[] | null = [];
  #size = 0;

  constructor(mostBytes: number) {
    this.#most = mostBytes;
  }

  /** Whether it still has everything that was added. */
  get isWithin(): boolean {
    return this.#pieces !== null;
  }

  /** The whole body; null: it is larger than the bound. */
  get body(): Buffer | null {
    return this.#pieces && Buffer.concat(this.#pieces, this.#size);
  }

  add(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size > this.#most) this.#pieces = null;
    else this.#pieces?.push(piece);
  }
}

/**
 * Reads a body up to a bound. `whole` is the whole body, or null if it is larger; `body` always streams
 * all of it. Rejects if the upstream disconnects while it reads.
 */
export async function collect(
  body: Buffer | Readable,
  mostBytes: number,
): Promise<{ readonly whole: Buffer | null; readonly body: Buffer | Readable }> {
  if (Buffer.isBuffer(body)) return { whole: body.length > mostBytes ? null : body, body };
  const pieces: Buffer[] = [];
  let size = 0;
  const reading = body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for await (const piece of reading) {
    pieces.push(piece);
    size += piece.length;
    if (size > mostBytes) return { whole: null, body: Readable.from(rest(pieces, body)) };
  }
  const whole = Buffer.concat(pieces, size);
  return { whole, body: whole };
}

async function* rest(pieces: readonly Buffer[], body: Readable): AsyncGenerator<Buffer> {
  yield* pieces;
  yield* body as AsyncIterable<Buffer>;
}
