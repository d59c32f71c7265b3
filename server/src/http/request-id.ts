import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** A caller's own request id is taken where it has this form; others are ignored. */
const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/;

/** Request ids of this process: six random bytes and a counter, cheap and not repeated. */
const prefix = randomBytes(6).toString('hex');
let counter = 0;

export function newRequestId(): string {
  counter += 1;
  return `${prefix}-${counter.toString(36)}`;
}

/** The id of a request: the caller's, or a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && ACCEPTED.test(given) ? given : newRequestId();
}
