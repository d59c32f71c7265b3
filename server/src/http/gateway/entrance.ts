import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { keyIn } from '../../auth/authentication.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { endToEndNamed } from '../../gateway/headers.ts';
import type { Rate } from '../../gateway/rate-limits.ts';
import type { PricedRoute } from '../../gateway/route-table.ts';
import { type Target, targetOf } from '../../gateway/targets.ts';
import { refusalOf } from '../entry.ts';
import { ApiError } from '../errors/api-error.ts';
import type { App, RouteParts } from '../parts.ts';

/** The way into a priced route: who asks, for what, and how often is judged before the body is read. */

/** A request of a priced route, as it is priced and forwarded. */
export interface Asked {
  readonly priced: PricedRoute;
  readonly method: string;
  readonly target: Target;
  readonly headers: IncomingHttpHeaders;
  /** The secret that the customer sent. */
  readonly key: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until a priced route is found. */
    asked: Asked | null;
  }
}

/** A query of a product may be longer than ours; all headers together are bounded besides. */
const LONGEST_URL = 8_192;

/** Resolves with what stands against the request. */
export async function enter(
  app: App,
  { authenticate }: RouteParts,
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<ApiError | undefined> {
  const refused = app.enter(request, 'unmatched', LONGEST_URL);
  if (refused) return refused;
  const target = targetOf(request.raw.url ?? '');
  if (!target) return new ApiError('ambiguous_path');
  const priced = gateway.match(request.method, target.path);
  if (!priced) return new ApiError('not_found');
  request.pattern = priced.route.path;
  const { method, headers } = request;
  request.asked = { priced, method, target, headers, key: keyIn(headers) ?? '' };
  const principal = await authenticate(request);
  request.principal = principal;
  const notAllowed = refusalOf(principal, 'customer', [priced.route.scope]);
  if (notAllowed || principal.kind !== 'customer') return notAllowed;
  const malformed = judgeHeaders(request.raw, priced);
  if (malformed) return malformed;
  const rate = gateway.rate(priced, principal.apiKeyId);
  return rate ? judgeRate(rate, reply) : undefined;
}

/** Refuses headers by which the upstream would read another body than the price does. */
function judgeHeaders(
  { headers, rawHeaders }: IncomingMessage,
  { needsRequest }: PricedRoute,
): ApiError | undefined {
  const removed = endToEndNamed(headers.connection);
  if (removed !== undefined) {
    const detail = `Connection names ${removed}, which is for the API behind this route: leave it out`;
    return new ApiError('malformed_request', { detail });
  }
  if (headers['content-type'] !== undefined && linesOf('content-type', rawHeaders) > 1) {
    return new ApiError('malformed_request', { detail: 'Content-Type is there twice: send one' });
  }
  const { 'content-encoding': encoding } = headers;
  if (needsRequest && encoding !== undefined && !/^identity$/i.test(encoding)) {
    const detail = 'Send the body without Content-Encoding: the price reads it';
    return new ApiError('unsupported_media_type', { detail });
  }
  return undefined;
}

/** How many lines a header has: of some, Node keeps only the first. */
function linesOf(name: string, rawHeaders: readonly string[]): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length;
}

function judgeRate(rate: Rate, reply: FastifyReply): ApiError | undefined {
  reply
    .header('x-ratelimit-limit', rate.limit)
    .header('x-ratelimit-remaining', rate.remaining)
    .header('x-ratelimit-reset', Math.ceil((Date.now() + rate.fullInMs) / 1_000));
  if (rate.isWithin) return undefined;
  const seconds = String(Math.max(1, Math.ceil(rate.nextInMs / 1_000)));
  return new ApiError('rate_limited', { headers: { 'retry-after': seconds } });
}
