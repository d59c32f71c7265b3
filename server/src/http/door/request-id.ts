import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { IsTrusted } from './peers.ts';

/** The form of a request id that a proxy may give; others are ignored. */
const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/;

/** A request id is six random bytes of this process and a counter: cheap and unique. */
const prefix = randomBytes(6).toString('hex');
let counter = 0;

export function newRequestId(): string {
  counter += 1;
  return `${prefix}-${counter.toString(36)}`;
}

/** The id that a trusted proxy gave a request, or a new one. */
export function requestIdOf(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  isTrusted: IsTrusted,
): string {
  const given = headers['x-request-id'];
  const isTaken = typeof given === 'string' && ACCEPTED.test(given);
  return isTaken && isTrusted(socket.remoteAddress) ? given : newRequestId();
}
