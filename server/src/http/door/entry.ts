import type { FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify';
import {
  type Authenticate,
  actorOf,
  type CustomerPrincipal,
  type OperatorPrincipal,
  type Principal,
} from '../../auth/principal.ts';
import type { Actor } from '../../ledger/operations/operations.ts';
import { ApiError } from '../errors/api-error.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { describeErrors, describeSecurity } from '../openapi/document.ts';
import type { App, HttpMetrics, RouteParts } from './parts.ts';
import type { OwnRate } from './rates.ts';

/**
 * The way into every route and out of it. On the way in, before a body is read: the server is not
 * stopping, the URL has a sane length, the caller is known, of the right kind, and may do this. On the
 * way out: the request id and the metrics.
 */

declare module 'fastify' {
  interface FastifyRequest {
    /** When it came in, by `performance.now()`. */
    startedAt: number;
    /** The pattern of its route, for metrics. */
    pattern: string;
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** The caller's key must have one of them. */
    scopes?: readonly string[];
    /** What the route itself may answer; the group adds what all of its routes may. */
    errors?: readonly ErrorCode[];
    /** Which limit a customer's route has; `billing` if nothing is said. */
    rate?: OwnRate;
  }
}

/** How long the rest of a body may come after the answer: time to read it, and no more. */
const LINGER_MS = 2_000;
/** A path with an id and a query of 2 KB. */
const LONGEST_URL = 2_048 + 256;

/** Adds to each route of `app`, and of the groups in it, the way in for everybody and the way out. */
export function addEntry(app: App, metrics: HttpMetrics): void {
  app.decorateRequest('startedAt', 0);
  app.decorateRequest('pattern', 'unmatched');
  app.decorateRequest('principal', null);

  let stopping = false;
  app.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  app.decorate('enter', (request, pattern, longestUrl = LONGEST_URL): ApiError | undefined => {
    request.startedAt = performance.now();
    request.pattern = pattern;
    if (stopping) return new ApiError('stopping');
    if (request.url.length > longestUrl) return new ApiError('url_too_long');
    return undefined;
  });

  app.addHook('onRoute', (route) => {
    describeErrors(route, ['malformed_request', 'url_too_long', 'stopping', 'internal_error']);
    route.onRequest = (request, _reply, done) => done(app.enter(request, route.url));
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    leave(request, reply, metrics);
    // A connection that is kept would hold up the stop until it times out.
    if (stopping) reply.header('connection', 'close');
    // In-process there is no connection, and no `complete`.
    if (request.raw.complete === false) reply.raw.once('finish', () => boundRest(request));
    done(null, payload);
  });
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Notes when a request came in; an error where it may not. */
    enter(request: FastifyRequest, pattern: string, longestUrl?: number): ApiError | undefined;
  }
}

/** Marks an answer with the request's id, and keeps it out of every cache. */
export function mark(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id).header('cache-control', 'no-store');
}

/**
 * Ends the connection of a request that was answered before all of its body had come, if the rest does
 * not come soon. Ending it at once could take the answer from a client that still sends.
 */
function boundRest({ raw }: FastifyRequest): void {
  setTimeout(() => raw.complete || raw.socket.destroy(), LINGER_MS).unref();
}

/** Marks an answer and counts it. */
function leave(request: FastifyRequest, reply: FastifyReply, metrics: HttpMetrics): void {
  mark(request, reply);
  const seconds = (performance.now() - request.startedAt) / 1_000;
  metrics.answered(request.method, request.pattern, reply.statusCode, seconds);
}

/** Lets only keys of one kind into the routes of `app`, each with one of the route's scopes. */
export function admitOnly(
  app: App,
  kind: Principal['kind'],
  { authenticate, rates }: Pick<RouteParts, 'authenticate' | 'rates'>,
): void {
  app.addHook('onRoute', (route) => {
    const scopes = scopesOf(route);
    const what = route.config?.rate ?? 'billing';
    describeSecurity(route, kind, scopes);
    const judge = (principal: Principal) => {
      const refused = refusalOf(principal, kind, scopes);
      if (refused || principal.kind === 'operator') return refused;
      return rates.refuse(what, principal.apiKeyId);
    };
    route.onRequest = entrance(app, route.url, authenticate, judge);
  });
}

/** `judge` says what stands against a request of a principal. */
function entrance(
  app: App,
  pattern: string,
  authenticate: Authenticate,
  judge: (principal: Principal) => ApiError | undefined,
): onRequestHookHandler {
  return (request, _reply, done) => {
    const refused = app.enter(request, pattern);
    if (refused) return done(refused);
    authenticate(request).then((principal) => {
      request.principal = principal;
      done(judge(principal));
    }, done);
  };
}

/** The kind of a key is judged before its account, and that before its scopes. */
export function refusalOf(
  principal: Principal,
  kind: Principal['kind'],
  scopes: readonly string[],
): ApiError | undefined {
  if (principal.kind !== kind) {
    return new ApiError(kind === 'operator' ? 'operator_key_required' : 'customer_key_required');
  }
  if (principal.kind === 'customer' && principal.accountStatus === 'suspended') {
    return new ApiError('account_suspended');
  }
  const may = scopes.some((scope) => principal.scopes.includes(scope));
  return may ? undefined : new ApiError('missing_scopes');
}

function scopesOf(route: RouteOptions): readonly string[] {
  const scopes = route.config?.scopes;
  if (!scopes || scopes.length === 0) throw new Error(`${route.url} names no scope`);
  return scopes;
}

/** The operator that asks, on a route that admits operators only. */
export function operatorOf(request: FastifyRequest): OperatorPrincipal {
  if (request.principal?.kind === 'operator') return request.principal;
  throw new Error('this route does not admit operators');
}

/** The actor of what a request asks for, on a route that admits operators only. */
export function operatorActor(request: FastifyRequest): Actor {
  return actorOf(operatorOf(request));
}

/** The reader of an answer. Customers are told less than the operator, and a stranger no more than they. */
export function audienceOf({ principal }: FastifyRequest): Principal['kind'] {
  return principal?.kind ?? 'customer';
}

/** The customer that asks, on a route that admits customers only. */
export function customerOf(request: FastifyRequest): CustomerPrincipal {
  if (request.principal?.kind === 'customer') return request.principal;
  throw new Error('this route does not admit customers');
}
