import { type TString, Type } from 'typebox';
import { LONGEST_SCOPE, SCOPE_PATTERN } from '../../auth/scopes.ts';
import type { OperationPrefix } from '../../ledger/operations/kinds.ts';
import { CENTS_PATTERN } from '../../ledger/operations/money.ts';
import { NAME_PATTERN } from '../../pricing/book/price-book.ts';
import { LONGEST_TEXT } from './members.ts';

export { STRICT } from '../../schema/node.ts';

/**
 * The schemas of the values in requests and answers. An error names the expected value by its `format`.
 */

/** The expected value of each format, in the words of an error. */
export const EXPECTED: Readonly<Record<string, string>> = {
  cents: 'a string of cents with up to six decimals, such as "0.5"',
  'signed-cents': 'a string of cents with up to six decimals, such as "0.5" or "-0.5"',
  'account-id': "an account's id, 64 lowercase hex characters",
  'api-key-id': 'the id of an API key, such as "key_" and 26 characters',
  scope: `a scope word such as "search" or "balance:read", of at most ${LONGEST_SCOPE} characters`,
  'route-name': 'the name of a route: at most 64 lower-case letters, digits, _ and -',
  sha256: 'the SHA-256 of a key, 64 hex characters',
  'date-time': 'a time as in RFC 3339, such as "2030-01-31T12:00:00Z"',
};

/** An amount in a request. */
export const CentsIn = (description: string): TString =>
  Type.String({ format: 'cents', pattern: CENTS_PATTERN, description, examples: ['0.5'] });

/** An amount in a request that may be below zero. */
export const SignedCentsIn = (description: string): TString =>
  Type.String({
    format: 'signed-cents',
    pattern: CENTS_PATTERN.replace('^', '^-?'),
    description,
    examples: ['-0.5'],
  });

/** An amount in an answer. It may be negative, and a sum may exceed the largest amount. */
export const Cents = (description?: string): TString =>
  Type.String({
    format: 'cents',
    pattern: '^-?(0|[1-9]\\d*)(\\.\\d{0,5}[1-9])?$',
    ...(description !== undefined && { description }),
    examples: ['0.5'],
  });

export const AccountPublicId = (description = 'The account.'): TString =>
  Type.String({ format: 'account-id', pattern: '^[0-9a-f]{64}$', description });

export const ApiKeyId = (description: string): TString =>
  Type.String({ format: 'api-key-id', pattern: '^key_[0-9a-hjkmnp-tv-z]{26}$', description });

/** The id of an operation, such as `chg_…`. */
export const OperationId = (prefix: OperationPrefix, description: string): TString =>
  Type.String({ pattern: `^${prefix}_[0-9a-hjkmnp-tv-z]{39}$`, description });

export const Scope = (description = 'A scope word.'): TString =>
  Type.String({ format: 'scope', pattern: SCOPE_PATTERN, maxLength: LONGEST_SCOPE, description });

/** The most scopes of a customer's key. */
const MOST_SCOPES = 50;

/** The scopes of a customer's key in a request. */
export const ScopesIn = (description: string) =>
  Type.Array(Scope(), { uniqueItems: true, maxItems: MOST_SCOPES, description });

/** Text of 1 to 255 characters. */
export const Name = (description: string): TString =>
  Type.String({ minLength: 1, maxLength: LONGEST_TEXT, description });

export const Description = (): TString =>
  Type.String({ maxLength: LONGEST_TEXT, description: 'A text for people, kept as it is.' });

/** The operator's reason, kept as the description of the operation. */
export const Reason = (): TString =>
  Type.String({
    minLength: 1,
    maxLength: LONGEST_TEXT,
    description: 'The reason, for the history.',
  });

/** The lifetime of a hold. */
export const ExpiresInS = () =>
  Type.Integer({
    minimum: 1,
    maximum: 86_400,
    description: 'Seconds until it is given back by itself: 1 to 86400, a day.',
  });

export const Metadata = () =>
  Type.Record(Type.String(), Type.Unknown(), {
    description:
      'A JSON object of at most 2 KB, kept and answered as it is. Numbers that 64-bit floating point does not hold exactly must be strings.',
  });

/** An instant. Answers give it in UTC with milliseconds. */
export const Instant = (description: string): TString =>
  Type.String({ format: 'date-time', description, examples: ['2030-01-31T12:00:00.000Z'] });

/** A comma-separated list of some words; `parseWords` checks it. */
export const ListOf = (words: readonly string[], description: string): TString =>
  Type.String({
    minLength: 1,
    maxLength: LONGEST_TEXT,
    description: `${description} One or more of ${words.map((word) => `\`${word}\``).join(', ')}, with commas between.`,
  });

/** A route of the price book. */
export const RouteName = (description: string): TString =>
  Type.String({ format: 'route-name', pattern: NAME_PATTERN, description, examples: ['search'] });

/** Counted quantities by name. */
export const Quantities = (description: string) =>
  Type.Record(Type.String(), Type.String(), {
    description: `${description} Decimal numbers.`,
    examples: [{ calls: '1', pages: '20' }],
  });

/** One of some words. An `enum` reads better than `anyOf` in the OpenAPI document. */
export const OneOf = <const Words extends readonly string[]>(words: Words, description?: string) =>
  Type.Unsafe<Words[number]>({
    type: 'string',
    enum: [...words],
    ...(description !== undefined && { description }),
  });

/** A value or null. */
export const OrNull = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
