import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { NotAuthenticated } from '../../auth/authentication.ts';
import { DatabaseUnavailable } from '../../db/connection/database.ts';
import { ClockUnreliable } from '../../ledger/lane/clock.ts';
import { LogPace } from '../../log-pace.ts';
import { ApiError, JSON_TYPE } from './api-error.ts';
import type { ErrorCode } from './codes.ts';
import { bodyIn } from './error-formats.ts';

/** Fastify's own errors by their codes. Its messages echo the request, so ours replace them. */
const OF_FASTIFY: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_BAD_URL: 'malformed_request',
  FST_ERR_MAX_PARAM_LENGTH: 'url_too_long',
};

/** Answers every thrown value. The answer to an unexpected error tells nothing about it. */
export function errorHandler(
  log: Logger,
  /** The error that replaces 401 if a client has sent too many refused keys. */
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

/** The error that the caller gets for a thrown value. */
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
  // The client disconnected while it sent its body.
  if (code === 'ECONNRESET') return new ApiError('malformed_request');
  return new ApiError('internal_error');
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof Error ? thrown.cause : undefined;
}
