import type { IncomingHttpHeaders } from 'node:http';
import { type Readable, Transform } from 'node:stream';

/** What customers send to a route, within its bounds. */

/** The body is larger than the route takes. */
export class BodyTooLarge extends Error {
  readonly largestBytes: number;

  constructor(largestBytes: number) {
    super(`more than ${largestBytes} bytes`);
    this.name = 'BodyTooLarge';
    this.largestBytes = largestBytes;
  }
}

/** The body is no JSON, and the price depends on it. */
export class BodyNotJson extends Error {
  constructor() {
    super('the body is not JSON');
    this.name = 'BodyNotJson';
  }
}

/** Reads a whole body. Rejects with BodyTooLarge. */
export async function readBody(body: Readable, largestBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // To destroy the body would end the connection, and no answer would arrive.
  const reading = body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for await (const chunk of reading) {
    size += chunk.length;
    if (size > largestBytes) throw new BodyTooLarge(largestBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Passes a body on, and fails with BodyTooLarge where it becomes too large. */
export function boundedBody(body: Readable, largestBytes: number): Readable {
  let size = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > largestBytes) done(new BodyTooLarge(largestBytes));
      else done(null, chunk);
    },
  });
  // An upstream that has answered already listens to it no more.
  bounded.on('error', () => {});
  body.once('error', (error) => bounded.destroy(error));
  return body.pipe(bounded);
}

/** The length that a request announces; undefined where it announces none. */
export function announcedLength(headers: IncomingHttpHeaders): number | undefined {
  const length = headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

/** Whether a media type is JSON. */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType);
}

/** What a JSON text says; undefined where it is none. */
export function parseJson(text: Buffer | string): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}
