import { type Static, type TSchema, Type } from 'typebox';
import { CENTS_PATTERN } from '../ledger/money.ts';
import { ENDINGS } from './price-book.ts';

/**
 * What a price book may say in YAML, as JSON Schema: the parser judges by it and editors explain by
 * it. The rules that a schema cannot hold are `rules.ts`.
 */

const MIB = 1_048_576;
const LARGEST_BODY_BYTES = 100 * MIB;
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
} as const;

/** What a problem says that a text of the format must be. */
export const EXPECTED: Readonly<Record<string, string>> = {
  cents: 'cents in quotes with at most six decimals, such as "0.5"',
  name: 'a name of at most 64 lower-case letters, digits, _ and -, such as search',
  quantity: 'a name of at most 32 lower-case letters, digits and _, such as pages',
  member: 'the name of a member of at most 128 letters, digits, _, . and -',
  'http-url': 'an http or https address, such as https://api.example.com',
  header: 'the name of a header, such as X-API-Key',
  'environment-variable': 'the name of an environment variable, such as UPSTREAM_KEY',
  path: 'a path that begins with /, such as /v1/search or /v1/items/:id',
  scope: 'a word of at most 64 lower-case letters, digits and _, such as search',
  'header-text': 'at most 64 characters that a header may hold',
  expression: 'a JSONata expression of at most 4096 characters',
};

const STRICT = { additionalProperties: false } as const;

const text = (format: string, pattern: string, title: string, description: string) =>
  Type.String({ format, pattern, title, description });

const Cents = (title: string, description: string) =>
  text(
    'cents',
    CENTS_PATTERN,
    title,
    `${description} Cents as a decimal string with at most six decimals, in quotes: "0.5".`,
  );

const Expression = (title: string, description: string) =>
  Type.String({ format: 'expression', minLength: 1, maxLength: 4_096, title, description });

const Seconds = (title: string, description: string, bounds: Bounds) =>
  Type.Number({ ...bounds, title, description: `${description} ${boundsIn(bounds, 'seconds')}` });

const Whole = (title: string, description: string, bounds: Bounds, unit: string) =>
  Type.Integer({ ...bounds, title, description: `${description} ${boundsIn(bounds, unit)}` });

interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
  readonly default?: number;
}

function boundsIn({ minimum, maximum, default: fallback }: Bounds, unit: string): string {
  const range = `${minimum} to ${maximum} ${unit}`;
  return fallback === undefined ? `${range}.` : `${range}; default ${fallback}.`;
}

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

/** So much for each call. */
export const PerCall = Type.Object(
  { per_call: Cents('Per call', 'The price of a call.') },
  { ...STRICT, title: 'A price for each call', description: 'So much for each call.' },
);

/** So much for each item that is counted. */
export const PerItem = Type.Object(
  {
    per: text(
      'quantity',
      '^[a-z][a-z0-9_]{0,31}$',
      'Quantity',
      'The name of what is counted, as receipts and usage show it: such as pages. Not calls, which is counted by itself; once in a route.',
    ),
    cents: Cents('Cents', 'The price of so many as `units` says.'),
    units: Type.Optional(
      Whole(
        'Units',
        '`cents` is the price of this many.',
        { minimum: 1, maximum: 1_000_000_000_000, default: 1 },
        'items',
      ),
    ),
    count: Expression(
      'Count',
      'A JSONata expression over `request` and, where the answer is counted, `answer`; it gives a number from 0 up. Nothing found counts as 0.',
    ),
    of: Type.Optional(
      Type.Unsafe<'request' | 'answer'>({
        type: 'string',
        enum: ['request', 'answer'],
        default: 'answer',
        title: 'Counted in',
        description:
          '`request`: known before the call, which is charged at once. `answer`: known after it; `at_most` is held until then. Default: answer.',
      }),
    ),
    at_most: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }),
          Expression('Expression', 'A JSONata expression over `request`.'),
        ],
        {
          title: 'At most',
          description:
            'At most this many: a whole number, or a JSONata expression over `request`, which must find a number. Required where the answer is counted, because the money for it is held before the call.',
        },
      ),
    ),
  },
  { ...STRICT, title: 'A price for each item', description: 'So much for each item counted.' },
);

/** A price chosen by a member of the request. */
export const ByMember = Type.Object(
  {
    by: text(
      'member',
      '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$',
      'Member',
      'The member of the query or of the JSON body whose value chooses the price.',
    ),
    default: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        title: 'Default',
        description:
          'The value where the request has none; one of `cents`. Without it, a request must have the member.',
      }),
    ),
    cents: Type.Record(
      Type.String({ pattern: '^[^\\u0000-\\u001f]{1,64}$' }),
      Cents('Price', 'The price of a call with this value.'),
      {
        ...STRICT,
        minProperties: 1,
        format: 'value',
        title: 'Prices',
        description: 'The price of a call for each value; a request with another is refused.',
      },
    ),
  },
  {
    ...STRICT,
    title: 'A price by a member of the request',
    description: 'So much for each call, chosen by a member of the request.',
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
        'How much of an answer is kept to count in it; of a stream, of one event.',
        {
          minimum: 1,
          maximum: LARGEST_METERING_BUFFER_BYTES,
          default: DEFAULTS.metering_buffer_bytes,
        },
        'bytes',
      ),
    ),
    count_event_with: Type.Optional(
      text(
        'member',
        '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$',
        'Count the event with',
        'Where the answer is a stream of events: the last event that has this member is counted as `answer`. Default: the last event.',
      ),
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
export type RawRoute = Static<typeof Route>;
export type RawPrice = Static<typeof PerCall> | Static<typeof PerItem> | Static<typeof ByMember>;
