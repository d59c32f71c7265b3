import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Gateway } from '../../gateway/gateway.ts';
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
  request.asked = { priced, method, target, headers, key: String(headers['x-api-key']) };
  const principal = await authenticate(request);
  request.principal = principal;
  const notAllowed = refusalOf(principal, 'customer', [priced.route.scope]);
  if (notAllowed || principal.kind !== 'customer') return notAllowed;
  const rate = gateway.rate(priced, principal.apiKeyId);
  return rate ? judgeRate(rate, reply) : undefined;
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
