import type { ErrorFormat } from '../../pricing/book/price-book.ts';
import type { ApiError } from './api-error.ts';

/**
 * The gateway's errors in the format of another API, so that its SDK shows them to its users. The
 * members of Purser's own errors stay in the body: those SDKs ignore them.
 */

declare module 'fastify' {
  interface FastifyRequest {
    /** The format of the request's errors; Purser's own if it is absent. */
    errorFormat?: ErrorFormat;
  }
}

/** `error.type` by status (https://developers.openai.com/api/docs/guides/error-codes). */
const OPENAI_TYPES: Readonly<Record<number, string>> = {
  402: 'insufficient_quota',
  429: 'rate_limit_error',
  503: 'service_unavailable_error',
};

/** `error.type` by status (https://platform.claude.com/docs/en/api/errors). */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

/** The body of an error in the format of a route, as JSON. */
export function bodyIn(format: ErrorFormat, error: ApiError): string {
  if (format === 'purser') return error.body;
  const { status, code, message: detail } = error;
  const { error: _, message: __, detail: list, ...facts } = error.members;
  const message = messageOf(error);
  const beside = { detail: list ?? detail, code, ...facts };
  if (format === 'anthropic') {
    const type = typeOf(ANTHROPIC_TYPES, status, 'api_error');
    return JSON.stringify({ type: 'error', error: { type, message }, ...beside });
  }
  const type = typeOf(OPENAI_TYPES, status, 'server_error');
  // OpenAI's SDK shows its users only the member `error`.
  const inner = { message, type, param: null, code, ...facts };
  return JSON.stringify({ error: inner, ...beside });
}

function typeOf(types: Readonly<Record<number, string>>, status: number, others: string): string {
  return types[status] ?? (status < 500 ? 'invalid_request_error' : others);
}

/** The whole message in one text: an SDK shows nothing else. */
function messageOf({ message: detail, members }: ApiError): string {
  const { message, upgrade_url: link } = members;
  if (message === undefined) return detail;
  return `${detail}. ${message}${link === undefined ? '' : ` Get more credit at ${link}`}`;
}
