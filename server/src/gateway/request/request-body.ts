import type { IncomingHttpHeaders } from 'node:http';
import { type Readable, Transform } from 'node:stream';

/** Reads the bodies of customers' requests, with a bound on their size. */

/** The body is larger than the route allows. */
export class BodyTooLarge extends Error {
  readonly largestBytes: number;

  constructor(largestBytes: number) {
    super(`more than ${largestBytes} bytes`);
    this.name = 'BodyTooLarge';
    this.largestBytes = largestBytes;
  }
}

/** The price depends on the body, and the body is not JSON. */
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
  // A destroyed body would close the connection before the answer is sent.
  const reading = body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for await (const chunk of reading) {
    size += chunk.length;
    if (size > largestBytes) throw new BodyTooLarge(largestBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Streams a body, and fails with BodyTooLarge once it exceeds the bound. */
export function boundedBody(body: Readable, largestBytes: number): Readable {
  let size = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > largestBytes) done(new BodyTooLarge(largestBytes));
      else done(null, chunk);
    },
  });
  // After the upstream's answer nobody else listens for errors of the body.
  bounded.on('error', () => {});
  body.once('error', (error) => bounded.destroy(error));
  return body.pipe(bounded);
}

/** The value of `Content-Length`; undefined: there is none. */
export function announcedLength(headers: IncomingHttpHeaders): number | undefined {
  const length = headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

/** Whether a media type is JSON. */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType);
}

/** The value of a JSON text; undefined: it is not JSON. */
export function parseJson(text: Buffer | string): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}
