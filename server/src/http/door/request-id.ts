import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { IsTrusted } from './peers.ts';

/** A request id from outside is taken if it has this form; others are ignored. */
const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/;

/** Request ids of this process: six random bytes and a counter, cheap and not repeated. */
const prefix = randomBytes(6).toString('hex');
let counter = 0;

export function newRequestId(): string {
  counter += 1;
  return `${prefix}-${counter.toString(36)}`;
}

/** The id of a request: the one that a trusted proxy gave it, or a new one. */
export function requestIdOf(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  isTrusted: IsTrusted,
): string {
  const given = headers['x-request-id'];
  const isTaken = typeof given === 'string' && ACCEPTED.test(given);
  return isTaken && isTrusted(socket.remoteAddress) ? given : newRequestId();
}
