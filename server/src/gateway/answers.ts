import { Readable, Transform } from 'node:stream';
import { createParser } from 'eventsource-parser';
import { parseJson } from './request-body.ts';

/** What of an upstream's answer can be counted, without keeping more of it than a bound. */

/** The answer as it could be counted, or why it could not. */
export type Counted =
  | { readonly kind: 'countable'; readonly answer: unknown }
  | { readonly kind: 'answer_malformed' | 'answer_too_large' };

/** A beginning of an answer that was kept, and how the rest is had. */
export interface Kept {
  readonly counted: Counted;
  /** The whole body: as it was kept, or what was kept and then the rest. */
  readonly body: Buffer | Readable;
}

/** Keeps a JSON answer, up to a bound. Rejects where the upstream breaks off. */
export async function keepJson(
  body: Buffer | Readable,
  announced: number | undefined,
  mostBytes: number,
): Promise<Kept> {
  const tooLarge = { kind: 'answer_too_large' } as const;
  if (announced !== undefined && announced > mostBytes) return { counted: tooLarge, body };
  if (Buffer.isBuffer(body)) return { counted: countedJson(body), body };
  const chunks: Buffer[] = [];
  let size = 0;
  const reading = body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for await (const chunk of reading) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > mostBytes) return { counted: tooLarge, body: Readable.from(rest(chunks, body)) };
  }
  const whole = Buffer.concat(chunks, size);
  return { counted: countedJson(whole), body: whole };
}

function countedJson(text: Buffer | string): Counted {
  const answer = parseJson(text);
  return answer === undefined ? { kind: 'answer_malformed' } : { kind: 'countable', answer };
}

async function* rest(chunks: readonly Buffer[], body: Readable): AsyncGenerator<Buffer> {
  yield* chunks;
  yield* body as AsyncIterable<Buffer>;
}

/**
 * Passes a stream of events on as it comes, and remembers what the last event says that has the member
 * `countEventWith`, or the last event of all. `onEnd` runs after the last byte has come and before the
 * stream ends.
 */
export function countEvents(
  countEventWith: string | null,
  mostBytes: number,
  onEnd: (counted: Counted) => Promise<void>,
): Transform {
  const decoder = new TextDecoder();
  let last: string | undefined;
  let isTooLarge = false;
  const parser = createParser({
    // Only an event that does not end can grow.
    maxBufferSize: mostBytes,
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') isTooLarge = true;
    },
    onEvent: ({ data }) => {
      if (hasMember(data, countEventWith)) last = data;
    },
  });
  const feed = (text: string) => {
    if (!isTooLarge) parser.feed(text);
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      feed(decoder.decode(chunk, { stream: true }));
      done(null, chunk);
    },
    flush(done) {
      feed(`${decoder.decode()}\n\n`);
      onEnd(countedOf(last, isTooLarge)).then(() => done(), done);
    },
  });
}

function hasMember(data: string, member: string | null): boolean {
  // Many streams end with `[DONE]`, which looks like a list.
  if (member === null) {
    return data.startsWith('{') || (data.startsWith('[') && parseJson(data) !== undefined);
  }
  if (!data.includes(`"${member}"`)) return false;
  const said = parseJson(data) as Readonly<Record<string, unknown>> | undefined;
  return said?.[member] !== undefined && said[member] !== null;
}

function countedOf(last: string | undefined, isTooLarge: boolean): Counted {
  if (isTooLarge) return { kind: 'answer_too_large' };
  return last === undefined ? { kind: 'answer_malformed' } : countedJson(last);
}
