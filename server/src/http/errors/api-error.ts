import { definitionOf, type ErrorCode } from './codes.ts';

export const JSON_TYPE = 'application/json; charset=utf-8';

export interface ApiErrorOptions {
  /** Names the guilty item and the cure; by default, the registry's text. */
  readonly detail?: string;
  /** The members of the body beside `detail` and `code`. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** For the log, never for the answer. */
  readonly cause?: unknown;
}

/** An error answer, as the caller gets it. Routes may throw it anywhere. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The members of the body beside `detail` and `code`. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, options: ApiErrorOptions = {}) {
    const { status, detail, retryAfterS } = definitionOf(code);
    super(options.detail ?? detail, { cause: options.cause });
    this.name = 'ApiError';
    this.code = code;
    this.status = status;
    this.headers =
      retryAfterS === undefined
        ? (options.headers ?? {})
        : { 'retry-after': String(retryAfterS), ...options.headers };
    this.members = options.members ?? {};
  }

  /** The same error with more members in its body. */
  with(members: Readonly<Record<string, unknown>>): ApiError {
    return new ApiError(this.code, {
      detail: this.message,
      headers: this.headers,
      members: { ...this.members, ...members },
    });
  }

  /** The body, as JSON. */
  get body(): string {
    return JSON.stringify({ detail: this.message, code: this.code, ...this.members });
  }
}

/** The error for a request of a wrong form; `detail` names the guilty member and the cure. */
export function invalidRequest(detail: string): ApiError {
  return new ApiError('invalid_request', { detail });
}

/** The answer to a change of a key that has ended. */
export function apiKeyInactive(reason: 'revoked' | 'expired'): ApiError {
  return new ApiError('api_key_inactive', {
    detail:
      reason === 'revoked'
        ? 'The API key is revoked: make a new key'
        : 'The API key is expired: give it a later expires_at, or make a new key',
  });
}
