import { type Static, type TSchema, Type } from 'typebox';
import { STRICT } from '../../schema/node.ts';
import { EventNames, Member, Seconds, text, Whole } from './formats.ts';
import { ENDINGS, ERROR_FORMATS, type ErrorFormat } from './price-book.ts';
import { ByMember, PerCall, PerItem } from './price-schema.ts';

/**
 * What a price book may say in YAML, as JSON Schema: the parser judges by it and editors explain by
 * it. The rules that a schema cannot hold are `rules.ts`.
 */

const MIB = 1_048_576;
const LARGEST_BODY_BYTES = 100 * MIB;
const LARGEST_REPLAY_BYTES = 16 * MIB;
const LARGEST_METERING_BUFFER_BYTES = 64 * MIB;
/** A call's money is held for it, and a hold lasts 24 hours at most. */
const LONGEST_S = 86_000;

/** What holds where the YAML says nothing. */
export const DEFAULTS = {
  connect_timeout_s: 5,
  answer_timeout_s: 60,
  idle_timeout_s: 60,
  connections: 128,
  largest_body_bytes: 65_536,
  longest_s: 120,
  metering_buffer_bytes: MIB,
  replay_bytes: 262_144,
  concurrency: 64,
  error_format: 'purser',
  receipt_comment: false,
} as const;

const named = <Of extends TSchema>(value: Of, title: string, description: string) =>
  Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,63}$' }), value, {
    ...STRICT,
    format: 'name',
    title,
    description,
  });

const UpstreamSecret = Type.Object(
  {
    header: text(
      'header',
      "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$",
      'Header',
      'The header that carries the secret, such as X-API-Key or Authorization.',
    ),
    env: text(
      'environment-variable',
      '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
      'Environment variable',
      'The environment variable of the server that holds the secret. The secret itself never stands in a price book.',
    ),
    prefix: Type.Optional(
      text(
        'header-text',
        '^[ -~]{0,64}$',
        'Prefix',
        'What stands before the secret in the header, such as "Bearer " (with its space). Default: nothing.',
      ),
    ),
  },
  { ...STRICT, title: 'Secret', description: 'Your own secret at the upstream.' },
);

const Upstream = Type.Object(
  {
    base_url: text(
      'http-url',
      '^https?://[^\\s]{1,2000}$',
      'Base URL',
      'Where calls go: the path of the call is added to it. http or https, without credentials, query or fragment.',
    ),
    secret: Type.Optional(UpstreamSecret),
    connect_timeout_s: Type.Optional(
      Seconds('Connect timeout', 'How long connecting may take.', {
        minimum: 0.1,
        maximum: 600,
        default: DEFAULTS.connect_timeout_s,
      }),
    ),
    answer_timeout_s: Type.Optional(
      Seconds(
        'Answer timeout',
        'How long the answer may take to begin, from the end of the request on.',
        { minimum: 0.1, maximum: LONGEST_S, default: DEFAULTS.answer_timeout_s },
      ),
    ),
    idle_timeout_s: Type.Optional(
      Seconds('Idle timeout', 'How long nothing may come between two pieces of an answer.', {
        minimum: 0.1,
        maximum: LONGEST_S,
        default: DEFAULTS.idle_timeout_s,
      }),
    ),
    connections: Type.Optional(
      Whole(
        'Connections',
        'How many connections each server has to it at most.',
        { minimum: 1, maximum: 10_000, default: DEFAULTS.connections },
        'connections',
      ),
    ),
  },
  { ...STRICT, title: 'Upstream', description: 'An API that calls are forwarded to.' },
);

const AddToRequest = Type.Object(
  {
    members: Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      minProperties: 1,
      patternProperties: { '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$': { title: 'Value' } },
      ...STRICT,
      format: 'member',
      title: 'Members',
      description:
        'The members and their values, as JSON has them. Objects are merged into those of the body; any other value replaces what the body has.',
    }),
    when: Type.Optional(
      Member('When', 'Only if this member of the body is true, such as stream. Default: always.'),
    ),
  },
  {
    ...STRICT,
    title: 'Add to the request',
    description:
      'Members that the gateway sets in the JSON body before it forwards the call. Default: none.',
  },
);

const RateLimit = Type.Object(
  {
    per_second: Type.Number({
      minimum: 0.01,
      maximum: 1_000_000,
      title: 'Per second',
      description: 'Calls a second. 0.01 to 1000000.',
    }),
    burst: Type.Optional(
      Whole(
        'Burst',
        'How many may come at once. Default: per_second, rounded up.',
        { minimum: 1, maximum: 1_000_000 },
        'calls',
      ),
    ),
  },
  {
    ...STRICT,
    title: 'Rate limit',
    description: 'How many calls each key may make. Default: no limit.',
  },
);

const Pays = (ending: string) =>
  Type.Optional(
    Type.Unsafe<string>({
      type: 'string',
      enum: ['free', 'counted', 'maximum'],
      title: ending,
      description: `What the customer pays when a call ends so. free: nothing. counted: what was counted; what could not be counted costs nothing. maximum: the stated maximum of what could not be counted.`,
    }),
  );

const Settlement = Type.Object(
  Object.fromEntries(ENDINGS.map((ending) => [ending, Pays(ending)])),
  {
    ...STRICT,
    title: 'Settlement',
    description:
      'What the customer pays when a call does not end well. Each has a default: docs/price-book.md.',
  },
);

const Route = Type.Object(
  {
    methods: Type.Array(
      Type.Unsafe<string>({
        type: 'string',
        enum: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
        description: 'In capital letters.',
      }),
      {
        minItems: 1,
        maxItems: 5,
        uniqueItems: true,
        title: 'Methods',
        description: 'Which calls the route takes, such as [GET, POST].',
      },
    ),
    path: text(
      'path',
      '^/[^\\s?#]{0,999}$',
      'Path',
      'The path at the gateway and, after the base URL, at the upstream. `:name` stands for one segment, a `/*` at the end for all the rest.',
    ),
    scope: text(
      'scope',
      '^[a-z0-9_]{1,64}$',
      'Scope',
      "What the customer's key must have, and what the charge is for. A word without a colon.",
    ),
    upstream: text('name', '^[^\\s]{1,64}$', 'Upstream', 'The name of one of `upstreams`.'),
    rate_limit: Type.Optional(RateLimit),
    largest_body_bytes: Type.Optional(
      Whole(
        'Largest body',
        'The largest body of a request.',
        { minimum: 1, maximum: LARGEST_BODY_BYTES, default: DEFAULTS.largest_body_bytes },
        'bytes',
      ),
    ),
    longest_s: Type.Optional(
      Seconds(
        'Longest call',
        'The longest that a call may take, from its beginning to the last byte of the answer.',
        { minimum: 1, maximum: LONGEST_S, default: DEFAULTS.longest_s },
      ),
    ),
    metering_buffer_bytes: Type.Optional(
      Whole(
        'Metering buffer',
        'How much of an answer is kept to count in it; of a stream, of the events that are counted.',
        {
          minimum: 1,
          maximum: LARGEST_METERING_BUFFER_BYTES,
          default: DEFAULTS.metering_buffer_bytes,
        },
        'bytes',
      ),
    ),
    count_event_with: Type.Optional(
      EventNames(
        'Count the event with',
        'Of a stream, the last event of this name is counted: of its `type`, or with a member of this name. Of several names, the last event of each, their members together. Default: the last event.',
      ),
    ),
    replay_bytes: Type.Optional(
      Whole(
        'Replay',
        'The largest answer that is kept for 24 hours, to answer a retry under the same Idempotency-Key. 0 keeps none.',
        { minimum: 0, maximum: LARGEST_REPLAY_BYTES, default: DEFAULTS.replay_bytes },
        'bytes',
      ),
    ),
    concurrency: Type.Optional(
      Whole(
        'Concurrency',
        'How many calls of one key may be under way on this route.',
        { minimum: 1, maximum: 10_000, default: DEFAULTS.concurrency },
        'calls',
      ),
    ),
    error_event: Type.Optional(
      EventNames(
        'Error event',
        'The name of the event that reports a failure in the middle of a stream. The call is then free. Default: none.',
      ),
    ),
    error_format: Type.Optional(
      Type.Unsafe<ErrorFormat>({
        type: 'string',
        enum: [...ERROR_FORMATS],
        default: DEFAULTS.error_format,
        title: 'Error format',
        description:
          "The format of the gateway's own errors, so that the SDK of that API shows their text. Default: purser.",
      }),
    ),
    add_to_request: Type.Optional(AddToRequest),
    receipt_comment: Type.Optional(
      Type.Boolean({
        default: DEFAULTS.receipt_comment,
        title: 'Receipt comment',
        description:
          'true: a stream of events ends with a comment that tells the charge, for clients that cannot read trailers. Default: false.',
      }),
    ),
    price: Type.Array(Type.Union([PerCall, PerItem, ByMember]), {
      maxItems: 32,
      title: 'Price',
      description: 'What a call costs is the sum of these. An empty list: it is free.',
    }),
    settlement: Type.Optional(Settlement),
  },
  { ...STRICT, title: 'Route', description: 'A priced route of the gateway.' },
);

/** The whole file. */
export const PriceBookSchema = Type.Object(
  {
    top_up_url: Type.Optional(
      text(
        'http-url',
        '^https?://[^\\s]{1,2000}$',
        'Top-up URL',
        'Where a customer who has no credit left gets more; refusals for want of credit name it.',
      ),
    ),
    upstreams: named(Upstream, 'Upstreams', 'The APIs that calls are forwarded to, by name.'),
    routes: named(Route, 'Routes', 'The routes that the gateway offers, by name.'),
  },
  {
    ...STRICT,
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: 'urn:purser:price-book',
    title: 'Price book of Purser',
    description: 'The routes that the gateway offers, and what a call of each costs.',
  },
);

/** A price book that fits the schema. */
export type RawBook = Static<typeof PriceBookSchema>;
export type RawSecret = Static<typeof UpstreamSecret>;
export type RawUpstream = Static<typeof Upstream>;
export type RawAdded = Static<typeof AddToRequest>;
export type RawRoute = Static<typeof Route>;
