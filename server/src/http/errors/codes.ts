/**
 * The registry of error codes, each with its status and its default text. Each code has a page,
 * docs/errors/<code>.md; a test compares registry and pages.
 */

interface ErrorDefinition {
  readonly status: number;
  /** The `detail` of an answer, unless the place of the error knows a more exact one. */
  readonly detail: string;
  /** Seconds for `Retry-After`; the request may be repeated as it is. */
  readonly retryAfterS?: number;
}

export const ERRORS = {
  // The wire
  malformed_request: { status: 400, detail: 'The request is not valid HTTP' },
  invalid_json: { status: 400, detail: 'The body is not valid JSON' },
  idempotency_key_missing: {
    status: 400,
    detail: 'The header Idempotency-Key is required: send a new value for each operation',
  },
  idempotency_key_invalid: {
    status: 400,
    detail: 'Idempotency-Key must be one header of 1 to 255 visible ASCII characters',
  },
  not_found: { status: 404, detail: 'There is nothing at this path' },
  method_not_allowed: { status: 405, detail: 'This path has other methods: Allow names them' },
  request_timeout: { status: 408, detail: 'The request did not arrive in time' },
  body_too_large: {
    status: 413,
    detail: 'The body is larger than 64 KiB, or than the limit that the route names',
  },
  url_too_long: { status: 414, detail: 'The URL is too long' },
  unsupported_media_type: {
    status: 415,
    detail: 'Send the body as JSON with Content-Type: application/json',
  },
  headers_too_large: { status: 431, detail: 'The headers are larger than 16 KiB' },

  // Authentication
  api_key_required: { status: 401, detail: 'API key is required' },
  api_key_invalid: { status: 401, detail: 'Invalid or expired API key' },
  missing_scopes: { status: 403, detail: 'Missing required scopes' },
  account_suspended: { status: 403, detail: 'Account is suspended' },
  operator_key_required: { status: 403, detail: 'This route takes an operator key' },
  customer_key_required: { status: 403, detail: "This route takes a customer's API key" },
  metrics_token_required: { status: 401, detail: 'A Bearer token is required' },

  // Requests
  invalid_request: { status: 422, detail: 'The request has a wrong form' },
  amount_too_large: {
    status: 422,
    detail: 'An amount, or a sum with it, is above 9223372036854.775807 cents',
  },
  idempotency_key_reused: {
    status: 422,
    detail: 'This Idempotency-Key was used for another request: send a new one',
  },
  secret_not_kept: {
    status: 409,
    detail: 'This Idempotency-Key made a secret that cannot be answered again: rotate the API key',
  },
  account_not_found: { status: 404, detail: 'There is no such account' },
  api_key_not_found: { status: 404, detail: 'There is no such API key' },
  grant_not_found: { status: 404, detail: 'There is no such grant' },
  hold_not_found: { status: 404, detail: 'There is no such hold' },
  charge_not_found: { status: 404, detail: 'There is no such charge' },
  spend_limit_not_found: { status: 404, detail: 'No spend limit is set for this period' },
  operator_key_not_found: { status: 404, detail: 'There is no such operator key' },
  external_id_taken: { status: 409, detail: 'Another account has this external_id' },
  account_id_taken: { status: 409, detail: 'Another account has this id, or the first half of it' },
  api_key_taken: { status: 409, detail: 'This key is in use elsewhere and cannot be imported' },
  api_key_inactive: { status: 409, detail: 'The API key is revoked or expired' },
  too_many_secrets: { status: 409, detail: 'The API key has as many valid secrets as it may have' },
  too_many_grants: {
    status: 409,
    detail: 'The account has 1000 live grants, the most it may have: spend some first',
  },
  too_many_holds: {
    status: 409,
    detail: 'The account has 10000 open holds, the most it may have: capture or void some first',
  },
  grant_ended: { status: 409, detail: 'The grant has ended' },
  hold_ended: { status: 409, detail: 'The hold has ended' },
  reversal_exceeds_charge: { status: 422, detail: 'The charge has less left to reverse' },
  route_not_found: { status: 404, detail: 'The price book has no such route' },
  request_not_priced: { status: 422, detail: 'The request has no price' },
  spend_limit_reached: { status: 402, detail: 'Spend limit reached' },
  insufficient_credits: { status: 402, detail: 'Insufficient credits' },

  // The gateway
  api_key_misplaced: {
    status: 400,
    detail:
      'The API key is in the path, Content-Type or Content-Encoding: send it in X-API-Key alone',
  },
  ambiguous_path: { status: 400, detail: 'The path can be read in more than one way' },
  in_progress: {
    status: 409,
    detail: 'The first request with this Idempotency-Key is still in progress',
    retryAfterS: 1,
  },
  already_answered: {
    status: 409,
    detail: 'A call with this Idempotency-Key was paid, and its answer is not kept: use a new key',
  },
  too_many_calls: {
    status: 429,
    detail: 'Too many calls of this key or account are in progress: wait until one has ended',
    retryAfterS: 1,
  },
  rate_limited: { status: 429, detail: 'Rate limit exceeded', retryAfterS: 1 },
  upstream_failed: { status: 502, detail: 'The API behind this route did not answer' },
  upstream_timeout: { status: 504, detail: 'The API behind this route did not answer in time' },

  // Unavailability
  overloaded: { status: 503, detail: 'Too many operations are waiting: try again', retryAfterS: 1 },
  account_busy: {
    status: 503,
    detail: 'The account is locked by another server: try again',
    retryAfterS: 1,
  },
  clock_unreliable: {
    status: 503,
    detail: "The database's clock is not reliable: try again",
    retryAfterS: 10,
  },
  database_unavailable: {
    status: 503,
    detail: 'The database is not available: try again',
    retryAfterS: 1,
  },
  outcome_unknown: {
    status: 503,
    detail: 'The outcome is not known: repeat the request with the same Idempotency-Key',
    retryAfterS: 1,
  },
  stopping: { status: 503, detail: 'The server is stopping: try again', retryAfterS: 1 },
  not_ready: { status: 503, detail: 'The server is not ready', retryAfterS: 1 },
  internal_error: { status: 500, detail: 'Internal server error' },
} as const satisfies Readonly<Record<string, ErrorDefinition>>;

export type ErrorCode = keyof typeof ERRORS;

/** The definition of a code. */
export function definitionOf(code: ErrorCode): ErrorDefinition {
  return ERRORS[code];
}
