import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { NotAuthenticated } from '../../auth/authentication.ts';
import { DatabaseUnavailable } from '../../db/connection/database.ts';
import { ClockUnreliable } from '../../ledger/lane/clock.ts';
import { LogPace } from '../../log-pace.ts';
import { ApiError, JSON_TYPE } from './api-error.ts';
import type { ErrorCode } from './codes.ts';
import { bodyIn } from './error-formats.ts';

/** Fastify's own refusals of a request, by its codes. Its texts echo what was sent, so ours are used. */
const OF_FASTIFY: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_BAD_URL: 'malformed_request',
  FST_ERR_MAX_PARAM_LENGTH: 'url_too_long',
};

/** The one way from a thrown thing to an answer. Nothing of an unexpected error leaves the process. */
export function errorHandler(
  log: Logger,
  /** The answer to a refused key in place of 401, if there were too many. */
  refuseFailure: (request: FastifyRequest) => ApiError | undefined,
) {
  const pace = new LogPace();
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const isRefusedKey = thrown instanceof NotAuthenticated;
    const error = (isRefusedKey && refuseFailure(request)) || apiErrorOf(thrown, request);
    if (error.code === 'internal_error') {
      const { method, url = 'unmatched' } = request.routeOptions;
      log.error({ err: thrown, request_id: request.id, method, route: url }, 'unexpected error');
    } else if (error.status >= 500 && pace.isDue(error.code)) {
      log.warn({ code: error.code, request_id: request.id, err: causeOf(thrown) }, error.message);
    }
    const body = bodyIn(request.errorFormat ?? 'purser', error);
    reply.code(error.status).headers(error.headers).type(JSON_TYPE).send(body);
  };
}

/** What a thrown thing is to the caller. */
function apiErrorOf(thrown: unknown, { routeOptions }: FastifyRequest): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (thrown instanceof NotAuthenticated) {
    return new ApiError(thrown.reason === 'missing' ? 'api_key_required' : 'api_key_invalid');
  }
  if (thrown instanceof ClockUnreliable) return new ApiError('clock_unreliable');
  if (thrown instanceof DatabaseUnavailable) return new ApiError('database_unavailable');
  const { code } = thrown as Partial<FastifyError>;
  const known = code === undefined ? undefined : OF_FASTIFY[code];
  if (known === 'body_too_large') {
    const detail = `The body is larger than ${routeOptions.bodyLimit / 1_024} KiB`;
    return new ApiError(known, { detail });
  }
  if (known) return new ApiError(known);
  // The client left in the middle of its body.
  if (code === 'ECONNRESET') return new ApiError('malformed_request');
  return new ApiError('internal_error');
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof Error ? thrown.cause : undefined;
}
