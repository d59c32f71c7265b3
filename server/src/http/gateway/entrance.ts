import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { keyIn } from '../../auth/authentication.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { endToEndNamed, requestHeaders } from '../../gateway/request/headers.ts';
import { holdsKey } from '../../gateway/request/key-in-text.ts';
import {
  type Target,
  targetOf,
  withoutKey,
  withoutParameters,
} from '../../gateway/request/targets.ts';
import type { PricedRoute } from '../../gateway/routes/route-table.ts';
import { CUSTOMERS, customerOf } from '../door/audiences.ts';
import { refusalOf } from '../door/door.ts';
import type { App, RouteParts } from '../door/parts.ts';
import type { IsTrusted } from '../door/peers.ts';
import { judgeRate } from '../door/rates.ts';
import { ApiError } from '../errors/api-error.ts';

/** The entrance of a priced route judges path, key, headers and rate before the body is read. */

/** The parts of a server with a gateway. */
interface GatewayParts extends RouteParts {
  readonly gateway: Gateway;
}

/** An admitted request, in the form that is priced and forwarded. */
export interface Asked {
  readonly priced: PricedRoute;
  readonly method: string;
  readonly target: Target;
  readonly headers: IncomingHttpHeaders;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The route of the price book that the request matches; null: none. */
    priced: PricedRoute | null;
    /** Null until the request is admitted. */
    asked: Asked | null;
  }
}

/** The query of a product may be longer than our own. */
const LONGEST_URL = 8_192;

/** Judges a request. Resolves with the error that refuses it, or with undefined. */
export async function enter(
  app: App,
  { authenticate, isTrusted, gateway, unmatched }: GatewayParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<ApiError | undefined> {
  const refused = app.enter(request, 'unmatched', LONGEST_URL);
  if (refused) return refused;
  const target = targetOf(request.raw.url ?? '');
  if (!target) return new ApiError('ambiguous_path');
  // HEAD costs the same as GET: the gateway gets the whole answer, counts it and drops it.
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const priced = gateway.match(method, target.path);
  if (!priced) return unmatched.refuse(request);
  // Some upstreams ignore the parameters and would serve the other route.
  const bare = withoutParameters(target.path);
  if (bare !== target.path && gateway.match(method, bare) !== priced) {
    return new ApiError('ambiguous_path');
  }
  request.pattern = priced.route.path;
  request.priced = priced;
  request.errorFormat = priced.route.errorFormat;
  request.authenticated = await authenticate(request);
  const notAllowed = refusalOf(CUSTOMERS, request.authenticated.principal, [priced.route.scope]);
  if (notAllowed) return notAllowed;
  const admitted = admit(request.raw, { priced, method, target }, isTrusted);
  if (admitted instanceof ApiError) return admitted;
  request.asked = admitted;
  return judgeRate(gateway.rate(priced, customerOf(request).apiKeyId), reply);
}

/** The parts of a request to price and forward. An error if the upstream could read it differently. */
function admit(
  raw: IncomingMessage,
  { priced, method, target }: Omit<Asked, 'headers'>,
  isTrusted: IsTrusted,
): Asked | ApiError {
  const key = keyIn(raw.headers);
  if (key === undefined) throw new Error('a customer was authenticated without a key');
  const clean = withoutKey(target, key);
  const malformed = judgeHeaders(raw, priced, key);
  if (malformed || !clean) return malformed ?? new ApiError('api_key_misplaced');
  const sender = { key, isByTrustedProxy: () => isTrusted(raw.socket.remoteAddress) };
  const headers = requestHeaders(raw.headers, sender, priced.upstream.secret?.of.header);
  return { priced, method, target: clean, headers };
}

/** Refuses headers that would make the upstream read another body than the price does. */
function judgeHeaders(
  { headers, rawHeaders }: IncomingMessage,
  { needsRequest }: PricedRoute,
  key: string,
): ApiError | undefined {
  const removed = endToEndNamed(headers.connection);
  if (removed !== undefined) {
    const detail = `Connection names ${removed}, which is for the API behind this route: leave it out`;
    return new ApiError('malformed_request', { detail });
  }
  const { 'content-type': type, 'content-encoding': encoding } = headers;
  if (type !== undefined && linesOf('content-type', rawHeaders) > 1) {
    return new ApiError('malformed_request', { detail: 'Content-Type is there twice: send one' });
  }
  if ([type, encoding].some((value) => value !== undefined && holdsKey(value, key))) {
    return new ApiError('api_key_misplaced');
  }
  if (needsRequest && encoding !== undefined && !/^identity$/i.test(encoding)) {
    const detail = 'Send the body without Content-Encoding: the price reads it';
    return new ApiError('unsupported_media_type', { detail });
  }
  return undefined;
}

/** The number of lines of a header; Node keeps only the first of some. */
function linesOf(name: string, rawHeaders: readonly string[]): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length;
}
