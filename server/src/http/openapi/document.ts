import type {} from '@fastify/swagger';
import type { FastifySchema, RouteOptions } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { definitionOf, type ErrorCode } from '../errors/codes.ts';
import { AccountPublicId, Cents, Instant, OneOf, STRICT } from '../input/formats.ts';

/**
 * The parts of the OpenAPI document that many routes share: bodies, headers, errors and keys.
 */

/** The body of every error. */
export const ErrorBody = Type.Object(
  {
    detail: Type.String({ description: 'The error and its cure, for people.' }),
    code: Type.String({
      description: 'The kind of the error, for programs: docs/errors has a page for each.',
    }),
  },
  { $id: 'Error' },
);

/** The body of 402. */
export const InsufficientCreditsBody = Type.Object(
  {
    detail: Type.String(),
    code: Type.String(),
    error: Type.Literal('payment_required'),
    message: Type.String(),
    available: Cents('The credit that could have paid; "0" in debt.'),
    required: Cents('The amount that was asked for.'),
    shortfall: Cents(
      '`required` minus `available`, and the debt that must be repaid first: a grant of this is enough.',
    ),
    available_elsewhere: Type.Optional(Cents('More credit, for other scopes.')),
  },
  { $id: 'InsufficientCredits' },
);

/** The body of 402 for a spend limit. */
export const SpendLimitReachedBody = Type.Object(
  {
    detail: Type.String(),
    code: Type.String(),
    error: Type.Literal('payment_required'),
    message: Type.String(),
    spend_limit: Cents('The most that may be spent in the period.'),
    spend_used: Cents('The spending that counts towards it.'),
    period: OneOf(['day', 'month', 'total']),
    reset_at: Type.Union([Instant('The end of the period.'), Type.Null()]),
  },
  { $id: 'SpendLimitReached' },
);

/** The body of 409 for a hold or a grant that has ended. */
export const EndedBody = Type.Object(
  {
    detail: Type.String(),
    code: Type.String(),
    ended_by: OneOf(['captured', 'voided', 'expired']),
    ended_at: Instant('The time at which it ended.'),
  },
  { $id: 'Ended' },
);

/** The body of 409 for an external id that is taken. */
export const ExternalIdTakenBody = Type.Object(
  {
    detail: Type.String(),
    code: Type.String(),
    account: AccountPublicId('The account that has the external id.'),
  },
  { $id: 'ExternalIdTaken' },
);

const BODY_OF: Partial<Record<ErrorCode, string>> = {
  insufficient_credits: 'InsufficientCredits',
  spend_limit_reached: 'SpendLimitReached',
  hold_ended: 'Ended',
  grant_ended: 'Ended',
  external_id_taken: 'ExternalIdTaken',
};

/** The query of a route without parameters: any parameter is refused by name. */
export const NO_QUERY = Type.Object({}, STRICT);

const IdempotencyKey = (description: string) =>
  Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$', description });

/** The header of every POST that moves money. */
export const IDEMPOTENCY_HEADER = Type.Object({
  'idempotency-key': IdempotencyKey(
    'Names the operation in its account for ever: a repeated request with the same key answers the first outcome, and with another payload 422.',
  ),
});

/** The header of every POST that makes an account, a key or a key's new secret. */
export const OPTIONAL_IDEMPOTENCY_HEADER = Type.Object({
  'idempotency-key': Type.Optional(
    IdempotencyKey(
      'Names the request for ever: repeated with the same key it is done once and answers the same. A secret is answered again for 24 hours, to the operator key that asked first.',
    ),
  ),
});

/** A reference to a schema of `schemas.ts`. */
export function ref(id: string): TSchema {
  return Type.Unsafe<unknown>({ $ref: `${id}#` });
}

/** `{"data": …}` of one resource. */
export function one(id: string): TSchema {
  return Type.Object({ data: ref(id) });
}

/** `{"data": […], "links": {"next": …}}` of many. */
export function many(id: string): TSchema {
  return Type.Object({
    data: Type.Array(ref(id)),
    links: Type.Object({
      next: Type.Union([Type.String(), Type.Null()], {
        description: 'The path of the next page; null on the last one.',
      }),
    }),
  });
}

/** One answer of a route. */
export function answer(description: string, schema: TSchema): Response {
  return { description, content: { 'application/json': { schema } } };
}

/** Adds another media type to an answer. */
export function orAs(response: Response, type: string, schema: TSchema): Response {
  return { ...response, content: { ...response.content, [type]: { schema } } };
}

/** An answer whose replay differs in one header only. */
export function replayable(description: string, schema: TSchema): Response {
  const replayed = {
    type: 'string',
    enum: ['true'],
    description: 'Present if the answer is that of an earlier request with the same key.',
  };
  return { ...answer(description, schema), headers: { 'Idempotency-Replayed': replayed } };
}

interface Response {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema: TSchema }>>;
  readonly headers?: Readonly<Record<string, object>>;
}

/** Adds errors to a route's document: its own, those of its shape, and those of its group. */
export function describeErrors(route: RouteOptions, ofGroup: readonly ErrorCode[]): void {
  if (route.method === 'HEAD' || !route.schema) return;
  const { schema } = route;
  const codes = new Set<ErrorCode>([...(route.config?.errors ?? []), ...ofGroup]);
  if (schema.querystring !== undefined) codes.add('invalid_request');
  if (schema.body !== undefined) {
    for (const code of BODY_ERRORS) codes.add(code);
  }
  if (schema.headers === IDEMPOTENCY_HEADER) {
    codes.add('idempotency_key_missing').add('idempotency_key_invalid');
  }
  if (schema.headers === OPTIONAL_IDEMPOTENCY_HEADER) {
    codes.add('idempotency_key_invalid').add('idempotency_key_reused');
  }
  const responses: Record<string, unknown> = { ...(schema.response as object | undefined) };
  for (const code of codes) addError(responses, code);
  schema.response = responses;
}

const BODY_ERRORS = [
  'invalid_json',
  'body_too_large',
  'unsupported_media_type',
  'invalid_request',
] as const satisfies readonly ErrorCode[];

/** The headers of a rate limit. */
const RATE_HEADERS = {
  'X-RateLimit-Limit': { type: 'string', description: 'Requests that may come at once.' },
  'X-RateLimit-Remaining': { type: 'string', description: 'The number of them that are left.' },
  'X-RateLimit-Reset': { type: 'string', description: 'Unix seconds when all may come again.' },
};

function addError(responses: Record<string, unknown>, code: ErrorCode): void {
  const { status, detail, retryAfterS } = definitionOf(code);
  const line = `\`${code}\`: ${detail}.`;
  const before = responses[status] as Response | undefined;
  if (before?.description.includes(`\`${code}\``)) return;
  const wait = { 'Retry-After': { type: 'string', description: 'Seconds to wait.' } };
  const headers =
    retryAfterS === undefined
      ? {}
      : { headers: code === 'rate_limited' ? { ...wait, ...RATE_HEADERS } : wait };
  const known = before?.content?.['application/json']?.schema;
  responses[status] = {
    ...answer(
      before ? `${before.description} ${line}` : line,
      either(known, ref(BODY_OF[code] ?? 'Error')),
    ),
    ...headers,
  };
}

/** The schema of the errors of one status. Their bodies may have several shapes. */
function either(known: Bodies | undefined, body: Bodies): TSchema {
  const bodies = known?.anyOf ?? (known ? [known] : []);
  if (bodies.some(({ $ref }) => $ref === body.$ref)) return known as TSchema;
  return bodies.length === 0 ? body : Type.Unsafe<unknown>({ anyOf: [...bodies, body] });
}

interface Bodies extends TSchema {
  readonly $ref?: string;
  readonly anyOf?: readonly Bodies[];
}

/** Describes the key and the scopes that a route needs, and their errors. */
export function describeSecurity(
  route: RouteOptions,
  kind: string,
  scopes: readonly string[],
  ofDoor: readonly ErrorCode[],
): void {
  if (route.method === 'HEAD' || !route.schema) return;
  const words = scopes.map((scope) => `\`${scope}\``).join(' or ');
  const schema: FastifySchema = route.schema;
  schema.security = [{ [`${kind}_key`]: [] }, { [`${kind}_bearer`]: [] }];
  schema.description = `${schema.description ?? ''}\n\nScope of the key: ${words}.`.trim();
  describeErrors(route, [
    'api_key_required',
    'api_key_invalid',
    'missing_scopes',
    'rate_limited',
    'database_unavailable',
    ...ofDoor,
  ]);
}
