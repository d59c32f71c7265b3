/**
 * A price book: the routes that the gateway offers, what is counted of each call, and what one costs.
 * Amounts are microcents, durations milliseconds. What it may say in YAML is `schema.ts`; `parse.ts`
 * makes it.
 */
export interface PriceBook {
  /** Where a customer who has no credit left gets more; null: nowhere. */
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
  /** What stands before it in the header, such as `Bearer `. */
  readonly prefix: string;
}

/** One priced route. */
export interface Route {
  readonly name: string;
  readonly methods: readonly string[];
  /** A pattern of find-my-way, such as `/v1/items/:id`. */
  readonly path: string;
  /** What the customer's key must have, and what the charge is for. */
  readonly scope: string;
  readonly upstream: string;
  /** Requests a second, for each key; null: no limit. */
  readonly rateLimit: RateLimit | null;
  readonly largestBodyBytes: number;
  /** The longest that a call may take, from its beginning to the last byte of the answer. */
  readonly longestMs: number;
  /** How much of an answer is kept to count in it. */
  readonly meteringBufferBytes: number;
  /** Of a stream of events, the member by which the event is known that is counted; null: the last event. */
  readonly countEventWith: string | null;
  /** What a call costs is the sum of them. None: it is free. */
  readonly price: readonly Price[];
  /** The names of the members that the price looks for. */
  readonly memberNames: ReadonlySet<string>;
  readonly settlement: Settlement;
}

export interface RateLimit {
  readonly perSecond: number;
  /** How many may come at once. */
  readonly burst: number;
}

/** One part of what a call costs. */
export type Price = PricePerCall | PricePerItem | PriceByMember;

/** So much for each call. */
export interface PricePerCall {
  readonly kind: 'call';
  readonly amount: bigint;
}

/** So much for each item that is counted. */
export interface PricePerItem {
  readonly kind: 'item';
  /** What is counted, such as `pages`. */
  readonly quantity: string;
  readonly amount: bigint;
  /** `amount` is the price of this many. */
  readonly units: bigint;
  /** What is counted in: `request` is known before the call, `answer` only after it. */
  readonly of: 'request' | 'answer';
  readonly count: Counting;
  /** At most this many, known before the call. Null where the request is counted. */
  readonly atMost: Counting | null;
}

/** A price chosen by a member of the request. */
export interface PriceByMember {
  readonly kind: 'member';
  /** Of the query or of the JSON body. */
  readonly member: string;
  /** Its value where the request has none; null: the member is required. */
  readonly default: string | null;
  readonly amounts: ReadonlyMap<string, bigint>;
}

/** A JSONata expression over `request` and `answer`, ready to run. */
export interface Counting {
  readonly text: string;
  /** The names that it may look for in a request. */
  readonly names: readonly string[];
  /** Millionths. Rejects with CountingFailed. */
  count(input: CountingInput): Promise<bigint>;
}

export interface CountingInput {
  /** The members of the query and of the JSON body together. */
  readonly request: unknown;
  readonly answer?: unknown;
}

/** An expression gave no number from 0 up, took too long, or failed. */
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
  /** The answer broke off, or took longer than the route lets a call take. */
  'upstream_broke_off',
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
 * What the customer pays in the end: nothing; what was counted, where what could not be counted costs
 * nothing; or the stated maximum, of what could not be counted or was above it.
 */
export type Pays = 'free' | 'counted' | 'maximum';

export type Settlement = Readonly<Record<Ending, Pays>>;

/** What holds where a route says nothing else. */
export const DEFAULT_SETTLEMENT: Settlement = {
  upstream_unreachable: 'free',
  upstream_timeout: 'free',
  upstream_4xx: 'free',
  upstream_5xx: 'free',
  upstream_broke_off: 'free',
  // A customer can bring it about: by asking for another format, for example.
  answer_malformed: 'maximum',
  answer_too_large: 'maximum',
  above_maximum: 'maximum',
  client_left_before_answer: 'counted',
  client_left_midway: 'maximum',
};
