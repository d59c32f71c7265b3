import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../errors/api-error.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { describeErrors } from '../openapi/document.ts';
import type { App, HttpMetrics } from './parts.ts';

/**
 * The checks before every route and the marks on every answer. A request enters if the server is not
 * stopping and the URL has a sane length. An answer leaves with its request id, and is counted.
 */

declare module 'fastify' {
  interface FastifyRequest {
    /** The instant of its arrival, by `performance.now()`. */
    startedAt: number;
    /** The pattern of its route, for metrics. */
    pattern: string;
  }
  interface FastifyContextConfig {
    /** The route's own errors; the door adds those of all its routes. */
    errors?: readonly ErrorCode[];
  }
  interface FastifyInstance {
    /** Records the arrival of a request. Answers an error if the request may not enter. */
    enter(request: FastifyRequest, pattern: string, longestUrl?: number): ApiError | undefined;
  }
}

/** The time that the rest of a body has after the answer: enough to read the answer, and no more. */
const LINGER_MS = 2_000;
/** A path with an id and a query of 2 KB. */
const LONGEST_URL = 2_048 + 256;

/** Adds the checks and the marks to each route of `app` and of its groups. */
export function addLifecycle(app: App, metrics: HttpMetrics): void {
  app.decorateRequest('startedAt', 0);
  app.decorateRequest('pattern', 'unmatched');
  app.decorateRequest('authenticated', null);

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
    // A connection that stays open would delay the stop until it times out.
    if (stopping) reply.header('connection', 'close');
    // In-process there is no connection, and no `complete`.
    if (request.raw.complete === false) reply.raw.once('finish', () => boundRest(request));
    done(null, payload);
  });
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
