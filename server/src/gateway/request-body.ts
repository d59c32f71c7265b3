import type { IncomingHttpHeaders } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import { RequestNotPriced } from '../pricing/cost.ts';

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

/**
 * The members of a request as prices see them: those of the query and of the JSON body together. Throws
 * where the upstream could read other members than the price does: BodyNotJson for a body that is no
 * JSON or is not called so, RequestNotPriced for one that is no object or has a member twice.
 */
export function membersOf(
  search: string,
  body: Buffer | null,
  contentType: string | undefined,
): Readonly<Record<string, unknown>> {
  const members: Record<string, unknown> = Object.create(null);
  for (const [name, value] of new URLSearchParams(search)) {
    const known = members[name];
    if (known === undefined) members[name] = value;
    else members[name] = Array.isArray(known) ? [...known, value] : [known, value];
  }
  if (body === null || body.length === 0) return members;
  const text = isJson(contentType) ? body.toString() : '';
  const parsed = parseJson(text);
  if (parsed === undefined) throw new BodyNotJson();
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new RequestNotPriced('the body must be a JSON object: the price looks at its members');
  }
  const inBoth = Object.keys(parsed).find((name) => Object.hasOwn(members, name));
  if (inBoth !== undefined) {
    throw new RequestNotPriced(`${inBoth} is in the query and in the body: send it once`, [inBoth]);
  }
  const twice = repeatedName(text);
  if (twice !== undefined) {
    throw new RequestNotPriced(`${twice} is twice in one object: send it once`, [twice]);
  }
  return { ...members, ...parsed };
}

/**
 * A name that an object of a JSON text has twice, of which one reader takes the first value and another
 * the last (RFC 8259 §4); undefined where there is none. The text must be JSON.
 */
function repeatedName(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token, colon] of json.matchAll(JSON_TOKENS)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (colon !== undefined) {
      const name: string = JSON.parse(token.slice(0, -colon.length));
      const names = open.at(-1);
      if (names?.has(name)) return name;
      names?.add(name);
    }
  }
  return undefined;
}
/** Braces, and texts, with the colon that makes one a name. */
const JSON_TOKENS = /[{}]|"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g;

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
