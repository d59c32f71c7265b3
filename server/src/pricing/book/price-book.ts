/**
 * A price book: the routes that the gateway offers, the counts of each call, and their prices.
 * Amounts are microcents, durations milliseconds. `schema.ts` describes the YAML, from which
 * `parse.ts` makes it.
 */
export interface PriceBook {
  /** The page on which customers buy credit; null: there is none. */
  readonly topUpUrl: string | null;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly routes: readonly Route[];
}

/** An API that calls are forwarded to. */
export interface Upstream {
  readonly name: string;
  /** Origin and perhaps a path, without a slash at the end. */
  readonly baseUrl: string;
  /** The operator's own secret; null: it takes none. */
  readonly secret: UpstreamSecret | null;
  readonly connectTimeoutMs: number;
  /** From the end of the request to the first byte of the answer. */
  readonly answerTimeoutMs: number;
  /** Between two pieces of the answer. */
  readonly idleTimeoutMs: number;
  /** Connections to it, of each node. */
  readonly connections: number;
}

export interface UpstreamSecret {
  /** The header that carries it, in lower case. */
  readonly header: string;
  /** The environment variable that holds it. */
  readonly env: string;
  /** The text before the secret in the header, such as `Bearer `. */
  readonly prefix: string;
}

/** The form of the names of routes and upstreams. */
export const NAME_PATTERN = '^[a-z][a-z0-9_-]{0,63}$';

/** One priced route. */
export interface Route {
  readonly name: string;
  readonly methods: readonly string[];
  /** A pattern of find-my-way, such as `/v1/items/:id`. */
  readonly path: string;
  /** The scope that the customer's key must have, and the product of the charge. */
  readonly scope: string;
  readonly upstream: string;
  /** Requests a second, for each key; null: no limit. */
  readonly rateLimit: RateLimit | null;
  readonly largestBodyBytes: number;
  /** The longest time that a call may take, from its beginning to the last byte of the answer. */
  readonly longestMs: number;
  /** The most bytes of an answer that are kept to count in it. */
  readonly meteringBufferBytes: number;
  /** The largest answer that is kept for a retry under the same idempotency key; 0 keeps none. */
  readonly replayBytes: number;
  /** The most calls of one key that may be in progress at once. */
  readonly concurrency: number;
  /** Names of events that report a failure in the middle of a stream. */
  readonly errorEvents: readonly string[];
  /** The format of the gateway's own errors. */
  readonly errorFormat: ErrorFormat;
  /** Members that the gateway sets in the JSON body before it forwards; null: none. */
  readonly addToRequest: AddToRequest | null;
  /** Whether a stream of events ends with a comment that names the charge. */
  readonly receiptComment: boolean;
  /** A call costs the sum of these. If there are none, it is free. */
  readonly price: readonly Price[];
  /** The members of a request that decide what it costs or what is added to it. */
  readonly memberNames: MemberNames;
  readonly settlement: Settlement;
}

/** The forms of the gateway's own errors: Purser's, or those of an API whose SDKs customers use. */
export const ERROR_FORMATS = ['purser', 'openai', 'anthropic'] as const;
export type ErrorFormat = (typeof ERROR_FORMATS)[number];

export interface AddToRequest {
  /** The member of the body that must be `true`; null: always. */
  readonly when: string | null;
  /** JSON. Objects are merged into the body's, member by member; anything else replaces what is there. */
  readonly members: Readonly<Record<string, unknown>>;
}

export interface RateLimit {
  readonly perSecond: number;
  /** How many may come at once. */
  readonly burst: number;
}

/** One part of a call's price. */
export type Price = PricePerCall | PricePerItem | PriceByMember;

/** A price for each call. */
export interface PricePerCall {
  readonly kind: 'call';
  readonly amount: bigint;
}

/** A price for each item that is counted. */
export interface PricePerItem {
  readonly kind: 'item';
  /** The name of the items, such as `pages`. */
  readonly quantity: string;
  readonly amount: bigint | AmountByMember;
  /** The amount is the price of this many. */
  readonly units: bigint;
  /** The JSON that is counted: `request` is known before the call, `answer` only after it. */
  readonly of: 'request' | 'answer';
  readonly count: Counting;
  /** The most items, known before the call; null: the request is counted. */
  readonly atMost: Counting | null;
  /** The events that are counted if the answer is a stream. */
  readonly events: EventChoice;
}

/** An amount chosen by a member of the request. */
export interface AmountByMember {
  /** A member of the query or of the JSON body. */
  readonly member: string;
  readonly amounts: ReadonlyMap<string, bigint>;
  /** For any other value, and if the request has none; null: such a request is refused. */
  readonly default: bigint | null;
}

/** Which events of a stream are counted. */
export interface EventChoice {
  /** Their `type`, or a member that they have. None: any event that is JSON. */
  readonly names: readonly string[];
  /** Whether every event is counted, and the counts are added up. If not, the last of each name is. */
  readonly isEach: boolean;
}

/** A price chosen by a member of the request. */
export interface PriceByMember {
  readonly kind: 'member';
  /** A member of the query or of the JSON body. */
  readonly member: string;
  /** The value if the request has none; null: the member is required. */
  readonly default: string | null;
  readonly amounts: ReadonlyMap<string, bigint>;
}

/** Names of members: of the request itself, and of anything in it. */
export interface MemberNames {
  readonly top: ReadonlySet<string>;
  readonly deep: ReadonlySet<string>;
}

/** A JSONata expression over `request` and `answer`, ready to run. */
export interface Counting {
  readonly text: string;
  /** The names that it may look for in a request. */
  readonly names: MemberNames;
  /** Counts in millionths, with at most `mostSteps` steps (default 200,000). Rejects with CountingFailed. */
  count(input: CountingInput, mostSteps?: number): Promise<bigint>;
}

declare const COUNTABLE: unique symbol;
/** JSON that an expression may read; `countable` makes it. */
export type Countable = { readonly [COUNTABLE]: true } | undefined;

export interface CountingInput {
  /** The members of the request. */
  readonly request: Countable;
  readonly answer?: Countable;
}

/** An expression gave no number from 0 up, took too many steps, or failed. */
export class CountingFailed extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CountingFailed';
  }
}

/**
 * How a call can end, other than with an answer of status 2xx or 3xx that was delivered whole and
 * counted within its maximum.
 */
export const ENDINGS = [
  /** The upstream refused the connection, or broke before an HTTP answer began. */
  'upstream_unreachable',
  /** The answer did not begin in time. */
  'upstream_timeout',
  /** The answer's status is 4xx. */
  'upstream_4xx',
  'upstream_5xx',
  /** The answer broke off. */
  'upstream_broke_off',
  /** 401 or 403 from an upstream that was sent the operator's secret: the secret is wrong. */
  'upstream_rejected_operator',
  /** A stream carried an event of `errorEvents`. */
  'upstream_error_event',
  /** The call took longer than the route allows. */
  'time_exceeded',
  /** The answer cannot be counted: it is no JSON, or the counting failed. */
  'answer_malformed',
  /** The answer is larger than the metering buffer. */
  'answer_too_large',
  /** More was counted than the price book's maximum. */
  'above_maximum',
  /** The client left before the answer began. */
  'client_left_before_answer',
  'client_left_midway',
] as const;
export type Ending = (typeof ENDINGS)[number];

/**
 * The price of a call that does not end well.
 * - `free`: nothing.
 * - `counted`: the counted cost, even above the maximum. A part that could not be counted is free.
 * - `maximum`: the stated maximum, if the answer could not be counted or costs more. Otherwise the
 *   counted cost.
 */
export type Pays = 'free' | 'counted' | 'maximum';

export type Settlement = Readonly<Record<Ending, Pays>>;
