import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { BalanceRead } from '../../auth/key-reads.ts';
import type { CustomerPrincipal } from '../../auth/principal.ts';
import { digestOf } from '../../ledger/operations/digest.ts';
import type { Digest } from '../../ledger/operations/operations.ts';
import type { StopReason } from '../endings/endings.ts';
import { withAdded } from '../request/add-to-request.ts';
import { upstreamHeaders } from '../request/headers.ts';
import { membersOf } from '../request/members.ts';
import { announcedLength, BodyTooLarge, boundedBody, readBody } from '../request/request-body.ts';
import type { Target } from '../request/targets.ts';
import type { PricedRoute } from '../routes/route-table.ts';
import type { Client } from './client.ts';

/** A request for a priced route, as the wire hands it over. */
export interface CallRequest {
  readonly method: string;
  readonly target: Target;
  /** The headers that may be forwarded (`requestHeaders`). */
  readonly headers: IncomingHttpHeaders;
  /** Null: there is none. */
  readonly body: Readable | null;
  readonly principal: CustomerPrincipal;
  /** The account's balance, as authentication has read it. */
  readonly balance: BalanceRead;
  readonly address: string;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
  readonly client: Client;
}

/** Bodies up to this size are read before the call takes a connection to its upstream. */
const SMALL_BODY_BYTES = 65_536;

/** The call was stopped before its whole body had come. */
export class BodyNotReceived extends Error {
  readonly reason: StopReason;

  constructor(reason: StopReason) {
    super(`the body did not come: ${reason}`);
    this.name = 'BodyNotReceived';
    this.reason = reason;
  }
}

/** The body of a request, before it is forwarded. */
export interface ReceivedBody {
  /** The body to send, with the members that the operator adds; null: there is none. */
  readonly sent: Buffer | Readable | null;
  /** The whole body as the customer sent it; null: there is none, or it is sent as it comes. */
  readonly whole: Buffer | null;
}

/**
 * Reads a body that is small, or that the price or an idempotency key depends on. So a slow client
 * occupies no connection to the upstream. Rejects with BodyTooLarge.
 */
export async function receive(priced: PricedRoute, request: CallRequest): Promise<ReceivedBody> {
  const { body, headers, idempotencyKey } = request;
  const { largestBodyBytes } = priced.route;
  const announced = announcedLength(headers);
  if ((announced ?? 0) > largestBodyBytes) throw new BodyTooLarge(largestBodyBytes);
  if (body === null) return { sent: null, whole: null };
  const isSmall = Math.min(announced ?? largestBodyBytes, largestBodyBytes) <= SMALL_BODY_BYTES;
  if (!isSmall && !priced.needsRequest && idempotencyKey === undefined) {
    return { sent: boundedBody(body, largestBodyBytes), whole: null };
  }
  const whole = await readBody(body, largestBodyBytes);
  const { addToRequest } = priced.route;
  return { sent: addToRequest ? withAdded(whole, addToRequest) : whole, whole };
}

/** The members of a request as prices see them. Throws BodyNotJson or RequestNotPriced. */
export function membersIn(
  { route }: PricedRoute,
  { method, target, headers }: CallRequest,
  body: Buffer | null,
): unknown {
  const contentType = headers['content-type'];
  return membersOf(route.memberNames, { method, search: target.search, body, contentType });
}

/** Identifies the request, so that another one with the same idempotency key is noticed. */
export function fingerprintOf(
  { method, target, headers }: CallRequest,
  body: Buffer | null,
): Digest {
  const { path, search } = target;
  const { accept, 'accept-language': language, 'content-type': type } = headers;
  const sent = body ? hash('sha256', body) : '';
  const asked = ['call', method, path, search, sent, accept, language, type];
  return digestOf(JSON.stringify(asked.map((part) => part ?? null)));
}

/** The request for the upstream. */
export function upstreamRequest(
  { upstream, isKnownBefore, route }: PricedRoute,
  { method, target, headers, principal, address, requestId }: CallRequest,
  { sent }: ReceivedBody,
): Dispatcher.DispatchOptions {
  const { accountPublicId } = principal;
  const caller = { accountPublicId, address, requestId };
  return {
    method: method as Dispatcher.HttpMethod,
    path: `${upstream.basePath}${target.path}${target.search}`,
    headers: upstreamHeaders(headers, caller, upstream.secret, {
      isCounted: !isKnownBefore || route.errorEvents.length > 0,
      // Undici computes the length of a body that it gets whole.
      keepsLength: sent !== null && !Buffer.isBuffer(sent),
    }),
    body: sent,
  };
}
