import { type Static, type TSchema, Type } from 'typebox';
import { STRICT } from '../../schema/node.ts';
import { DEFAULTS } from './defaults.ts';
import { Choice, EventNames, Member, Seconds, text, Whole } from './formats.ts';
import { type Ending, ERROR_FORMATS, NAME_PATTERN, type Pays } from './price-book.ts';
import { ByMember, PerCall, PerItem } from './price-schema.ts';

/**
 * The YAML of a price book, as JSON Schema: the parser checks the file by it, and editors explain the
 * file by it. `rules.ts` has the rules that a schema cannot express.
 */

const MIB = 1_048_576;
const LARGEST_BODY_BYTES = 100 * MIB;
const LARGEST_REPLAY_BYTES = 16 * MIB;
const LARGEST_METERING_BUFFER_BYTES = 64 * MIB;
/** A call's money is held for as long, and a hold lasts 24 hours at most. */
const LONGEST_S = 86_000;

const named = <Of extends TSchema>(value: Of, title: string, description: string) =>
  Type.Record(Type.String({ pattern: NAME_PATTERN }), value, {
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
      'The header that carries the secret, such as X-API-Key or Authorization. Headers of the connection and of the body are refused.',
    ),
    env: text(
      'environment-variable',
      '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
      'Environment variable',
      "The environment variable of the server that holds the secret. The secret itself never stands in a price book. Purser's own variables are refused.",
    ),
    prefix: Type.Optional(
      Type.String({
        format: 'header-text',
        pattern: '^[ -~]{0,64}$',
        default: DEFAULTS.secret.prefix,
        title: 'Prefix',
        description:
          'The text before the secret in the header, such as "Bearer " (with its space). Default: nothing.',
      }),
    ),
  },
  {
    ...STRICT,
    title: 'Secret',
    description: 'Your own secret at the upstream, which the customer never sees. Default: none.',
  },
);

const Upstream = Type.Object(
  {
    base_url: text(
      'http-url',
      '^https?://[^\\s]{1,2000}$',
      'Base URL',
      'The address that calls go to; the path of the call is added to it. It is http or https, without credentials, query or fragment.',
    ),
    secret: Type.Optional(UpstreamSecret),
    connect_timeout_s: Type.Optional(
      Seconds('Connect timeout', 'The longest time that connecting may take.', {
        minimum: 0.1,
        maximum: 600,
        default: DEFAULTS.upstream.connect_timeout_s,
      }),
    ),
    answer_timeout_s: Type.Optional(
      Seconds(
        'Answer timeout',
        'The longest time from the end of the request to the first byte of the answer.',
        { minimum: 0.1, maximum: LONGEST_S, default: DEFAULTS.upstream.answer_timeout_s },
      ),
    ),
    idle_timeout_s: Type.Optional(
      Seconds('Idle timeout', 'The longest time between two pieces of an answer.', {
        minimum: 0.1,
        maximum: LONGEST_S,
        default: DEFAULTS.upstream.idle_timeout_s,
      }),
    ),
    connections: Type.Optional(
      Whole(
        'Connections',
        'The most connections that each server opens to it.',
        { minimum: 1, maximum: 10_000, default: DEFAULTS.upstream.connections },
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
        'The members and their values, as in JSON. An object is merged into the object in the body; any other value replaces the value in the body.',
    }),
    when: Type.Optional(
      Member(
        'When',
        'The members are set only if this member of the body, such as stream, is true. Default: always.',
      ),
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
        'The most calls that may come at once. Default: per_second, rounded up.',
        { minimum: 1, maximum: 1_000_000 },
        'calls',
      ),
    ),
  },
  {
    ...STRICT,
    title: 'Rate limit',
    description: 'The rate at which each key may call the route. Default: no limit.',
  },
);

/** The condition of each ending. */
const WHEN: Readonly<Record<Ending, string>> = {
  upstream_unreachable:
    'The upstream refused the connection, broke it before the answer began, or sent no valid HTTP answer (a status above 599, for example).',
  upstream_timeout: 'The answer did not begin in time.',
  upstream_4xx: "The answer's status is 4xx.",
  upstream_5xx: "The answer's status is 5xx.",
  upstream_broke_off: 'The answer broke off.',
  upstream_rejected_operator:
    'An upstream with a `secret` in the price book answered 401 or 403: the secret is wrong. The customer gets 502.',
  upstream_error_event:
    'A stream carried an event that `error_event` names, whatever the price counts and whether or not the client stayed after it.',
  time_exceeded:
    "`longest_s` is over. If nothing of the answer's body was passed on, the call is free.",
  answer_malformed:
    'The answer is no JSON, or the counting failed. A customer can cause this, for example by asking for another format.',
  answer_too_large: 'The answer is larger than `metering_buffer_bytes`.',
  above_maximum: 'The count is above `at_most`, which was too low.',
  client_left_before_answer:
    'The client left before the answer began. If nothing was sent to the upstream yet, the call is free.',
  client_left_midway:
    'The client left in the middle of the answer. Or it blocked the answer for over a tenth of `longest_s` (15 seconds at most) until `longest_s` was over or the upstream broke off. If the answer was counted before it was sent, that cost stays. A client that leaves a stream after its last piece has received it: `delivered`.',
};

const PAYS: readonly Pays[] = ['free', 'counted', 'maximum'];

const Settlement = Type.Object(
  Object.fromEntries(
    Object.entries(DEFAULTS.settlement).map(([ending, pays]) => [
      ending,
      Type.Optional(Choice<Pays>(ending, WHEN[ending as Ending], PAYS, pays)),
    ]),
  ),
  {
    ...STRICT,
    title: 'Settlement',
    description:
      'The price of a call that does not end well. free: nothing. counted: the counted cost; a part that could not be counted is free. maximum: the stated maximum, if the answer could not be counted or costs more. Default: that of each ending.',
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
        description:
          'The methods that the route takes, such as [GET, POST]: any of `GET`, `POST`, `PUT`, `PATCH` and `DELETE`.',
      },
    ),
    path: text(
      'path',
      '^/[^\\s?#]{0,999}$',
      'Path',
      "The path at the gateway and, after the base URL, at the upstream. `:name` stands for one segment, a `/*` at the end for all the rest. Purser's own paths (`/v1/billing`, `/v1/accounts` …) are refused. Two routes cannot have the same method and pattern.",
    ),
    scope: text(
      'scope',
      '^[a-z0-9_]{1,64}$',
      'Scope',
      "The scope that the customer's key must have, and the product of the charge: lower-case letters, digits and `_`, without a colon.",
    ),
    upstream: text('name', '^[^\\s]{1,64}$', 'Upstream', 'The name of one of `upstreams`.'),
    rate_limit: Type.Optional(RateLimit),
    largest_body_bytes: Type.Optional(
      Whole(
        'Largest body',
        'The largest body of a request.',
        { minimum: 1, maximum: LARGEST_BODY_BYTES, default: DEFAULTS.route.largest_body_bytes },
        'bytes',
      ),
    ),
    longest_s: Type.Optional(
      Seconds(
        'Longest call',
        'The longest time that a call may take, from its beginning to the last byte of the answer. Its money is held for as long, and a hold lasts a day at most.',
        { minimum: 1, maximum: LONGEST_S, default: DEFAULTS.route.longest_s },
      ),
    ),
    metering_buffer_bytes: Type.Optional(
      Whole(
        'Metering buffer',
        'The largest answer that can be counted. If the answer is a stream, the limit is for the counted events together.',
        {
          minimum: 1,
          maximum: LARGEST_METERING_BUFFER_BYTES,
          default: DEFAULTS.route.metering_buffer_bytes,
        },
        'bytes',
      ),
    ),
    count_event_with: Type.Optional(
      EventNames(
        'Count the event with',
        'If the answer is a stream, the last event of this name is counted. An event has the name as its `type`, as its field `event`, or as the name of a member. With several names, the last event of each is counted, their members together. Default: the last event.',
      ),
    ),
    replay_bytes: Type.Optional(
      Whole(
        'Replay',
        'The largest answer that is kept for 24 hours, to answer a retry under the same Idempotency-Key. 0 keeps none.',
        { minimum: 0, maximum: LARGEST_REPLAY_BYTES, default: DEFAULTS.route.replay_bytes },
        'bytes',
      ),
    ),
    concurrency: Type.Optional(
      Whole(
        'Concurrency',
        'The most calls of one key that may be in progress on this route.',
        { minimum: 1, maximum: 10_000, default: DEFAULTS.route.concurrency },
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
      Choice(
        'Error format',
        `The format of the gateway's own errors, so that the SDK of that API shows their text: ${ERROR_FORMATS.join(', ')}.`,
        ERROR_FORMATS,
        DEFAULTS.route.error_format,
      ),
    ),
    add_to_request: Type.Optional(AddToRequest),
    receipt_comment: Type.Optional(
      Type.Boolean({
        default: DEFAULTS.route.receipt_comment,
        title: 'Receipt comment',
        description: `true: a stream of events ends with a comment, \`: credits-charged=… credits-remaining=… charge=…\`, for clients that cannot read trailers. Default: ${DEFAULTS.route.receipt_comment}.`,
      }),
    ),
    price: Type.Array(Type.Union([PerCall, PerItem, ByMember]), {
      maxItems: 32,
      title: 'Price',
      description:
        'A call costs the sum of these parts, at most 32. If the list is empty, the call is free.',
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
        'The page on which customers buy credit. The gateway names it if it refuses a call for lack of credit.',
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
    description: 'The routes that the gateway offers, and the price of a call of each.',
  },
);

/** A price book that fits the schema. */
export type RawBook = Static<typeof PriceBookSchema>;
export type RawSecret = Static<typeof UpstreamSecret>;
export type RawUpstream = Static<typeof Upstream>;
export type RawAdded = Static<typeof AddToRequest>;
export type RawRoute = Static<typeof Route>;
