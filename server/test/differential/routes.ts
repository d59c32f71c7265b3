/**
 * The routes of the differential run, which the model reads, and their price book. Amounts are
 * microcents.
 */

export const CENT = 1_000_000n;

/** The endings of a call, with the names of docs/price-book.md. */
export type Ending =
  | 'delivered'
  | 'upstream_unreachable'
  | 'upstream_timeout'
  | 'upstream_4xx'
  | 'upstream_5xx'
  | 'upstream_broke_off'
  | 'upstream_rejected_operator'
  | 'upstream_error_event'
  | 'time_exceeded'
  | 'answer_malformed'
  | 'answer_too_large'
  | 'above_maximum'
  | 'client_left_before_answer'
  | 'client_left_midway';
export type Pays = 'free' | 'counted' | 'maximum';

export interface Route {
  readonly name: string;
  readonly methods: readonly string[];
  /**
   * `secret` gets the operator's secret, `closed` refuses connections, `hasty` has short timeouts.
   */
  readonly upstream: 'plain' | 'secret' | 'hasty' | 'closed';
  /** The price of each call. */
  readonly perCall: bigint;
  /** The price by the request's `effort`, whose default is `low`. */
  readonly byEffort?: Readonly<Record<string, bigint>>;
  /** The price of each of the request's `words`. */
  readonly perWord?: bigint;
  /** The part of the price that counts the answer. */
  readonly counts?: Counts;
  /** The route's own settlement of endings; the others have the default. */
  readonly settlement: Readonly<Partial<Record<Ending, Pays>>>;
  readonly replayBytes: number;
  readonly meteringBytes: number;
  /** Whether `longest_s` is one second. */
  readonly isShort: boolean;
  /** Whether an event with the member `error` reports a failure of the upstream. */
  readonly reportsErrors: boolean;
  /** Whether a stream of events ends with a comment that states the charge. */
  readonly hasComment: boolean;
  readonly largestBodyBytes: number;
}

export interface Counts {
  readonly quantity: string;
  /** The price of one item, fixed or by the request's `model`. */
  readonly each: bigint | Readonly<Record<string, bigint>>;
  readonly expression: string;
  /** The maximum count; `max`: the request's member `max`. */
  readonly most: number | 'max';
}

/** The members of a request that its price may read. */
export interface Members {
  readonly effort?: string;
  readonly words?: number;
  readonly model?: string;
  readonly max?: number;
}

/** An amount in microcents, with its quantities. */
export interface Cost {
  readonly amount: bigint;
  readonly quantities: Readonly<Record<string, string>>;
}

/** The cost of a request with this count in its answer. */
export function costOf(route: Route, members: Members, count: number): Cost {
  const { perCall, byEffort, perWord, counts } = route;
  const { effort = 'low', words = 0, model = '' } = members;
  const each = typeof counts?.each === 'object' ? counts.each[model] : counts?.each;
  return {
    amount:
      perCall +
      (byEffort?.[effort] ?? 0n) +
      (perWord ?? 0n) * BigInt(words) +
      (each ?? 0n) * BigInt(count),
    quantities: {
      calls: '1',
      ...(perWord && { words: String(words) }),
      ...(counts && { [counts.quantity]: String(count) }),
    },
  };
}

/** The maximum cost of a request. */
export function mostOf(route: Route, members: Members): Cost {
  const most = route.counts?.most ?? 0;
  return costOf(route, members, most === 'max' ? (members.max ?? 0) : most);
}

/** The least credit that an account needs for a call; one microcent if a call may cost nothing. */
export function cheapest({ perCall, byEffort, counts }: Route): bigint {
  const least = perCall + (byEffort ? (Object.values(byEffort).sort()[0] ?? 0n) : 0n);
  return least === 0n && counts ? 1n : least;
}

const PLAIN = {
  methods: ['GET', 'POST'],
  upstream: 'secret',
  perCall: CENT / 2n,
  settlement: {},
  replayBytes: 262_144,
  meteringBytes: 200_000,
  isShort: false,
  reportsErrors: true,
  hasComment: false,
  largestBodyBytes: 65_536,
} as const;

const ITEMS: Counts = {
  quantity: 'items',
  each: CENT / 10n,
  expression: '$count(answer.items)',
  most: 20,
};
const OUTPUT: Counts = { ...ITEMS, quantity: 'output', expression: 'answer.usage.output' };

/** A settlement that differs from the defaults as much as possible. */
const OTHER: Route['settlement'] = {
  upstream_unreachable: 'counted',
  upstream_timeout: 'counted',
  upstream_4xx: 'counted',
  upstream_5xx: 'maximum',
  upstream_broke_off: 'maximum',
  upstream_rejected_operator: 'counted',
  upstream_error_event: 'counted',
  time_exceeded: 'free',
  answer_malformed: 'free',
  answer_too_large: 'free',
  above_maximum: 'maximum',
  client_left_before_answer: 'free',
  client_left_midway: 'free',
};

const BASES: Readonly<Record<string, Partial<Route>>> = {
  fixed: {},
  items: { counts: ITEMS },
  events: { perCall: 0n, counts: OUTPUT },
};
const VARIANTS: Readonly<Record<string, Partial<Route>>> = {
  '': {},
  _plain: { upstream: 'plain', reportsErrors: false },
  _other: { settlement: OTHER },
  _closed: { upstream: 'closed' },
  _closed_other: { upstream: 'closed', settlement: OTHER },
  _hasty: { upstream: 'hasty' },
  _hasty_other: { upstream: 'hasty', settlement: OTHER },
  _short: { isShort: true },
  _small: { replayBytes: 300 },
  _unkept: { replayBytes: 0 },
};

export const ROUTES: readonly Route[] = [
  ...Object.entries(BASES).flatMap(([base, route]) =>
    Object.entries(VARIANTS).map(([variant, more]) => ({
      ...PLAIN,
      ...route,
      ...more,
      name: `${base}${variant}`,
    })),
  ),
  { ...PLAIN, name: 'free', perCall: 0n },
  {
    ...PLAIN,
    name: 'effort',
    perCall: 0n,
    byEffort: { low: CENT, high: 2n * CENT },
    hasComment: true,
  },
  {
    ...PLAIN,
    name: 'words',
    methods: ['POST'],
    perCall: (3n * CENT) / 10n,
    perWord: CENT / 100n,
  },
  {
    ...PLAIN,
    name: 'tokens',
    methods: ['POST'],
    perCall: 0n,
    counts: {
      quantity: 'tokens',
      each: { small: CENT / 5n, large: CENT },
      expression: 'answer.usage.output',
      most: 'max',
    },
    hasComment: true,
  },
  { ...PLAIN, name: 'upload', methods: ['POST'], largestBodyBytes: 1_000_000 },
];

/** The price book as JSON, which is also YAML. */
export function priceBook(upstream: string): string {
  // As few as possible, so that the run notices a call that keeps its share or its connection.
  const plain = { base_url: upstream, answer_timeout_s: 60, idle_timeout_s: 60, connections: 32 };
  const secret = { header: 'x-operator', env: 'TEST_UPSTREAM_KEY' };
  return JSON.stringify({
    upstreams: {
      plain,
      secret: { ...plain, secret },
      hasty: { ...plain, answer_timeout_s: 0.5, idle_timeout_s: 0.5 },
      closed: { base_url: 'http://127.0.0.1:9' },
    },
    routes: Object.fromEntries(ROUTES.map((route) => [route.name, written(route)])),
  });
}

function written(route: Route): object {
  const { counts, byEffort, perWord } = route;
  return {
    methods: route.methods,
    path: pathOf(route),
    scope: 'search',
    upstream: route.upstream,
    longest_s: route.isShort ? 1 : 120,
    // A call and its probe.
    concurrency: 2,
    largest_body_bytes: route.largestBodyBytes,
    metering_buffer_bytes: route.meteringBytes,
    replay_bytes: route.replayBytes,
    receipt_comment: route.hasComment,
    ...(counts && { count_event_with: 'usage' }),
    ...(route.reportsErrors && { error_event: 'error' }),
    settlement: route.settlement,
    price: [
      ...(route.perCall > 0n ? [{ per_call: inCents(route.perCall) }] : []),
      ...(byEffort ? [{ by: 'effort', cents: pricesOf(byEffort), default: 'low' }] : []),
      ...(perWord
        ? [{ per: 'words', cents: inCents(perWord), of: 'request', count: 'request.words' }]
        : []),
      ...(counts ? [writtenCounts(counts)] : []),
    ],
  };
}

function writtenCounts({ quantity, each, expression, most }: Counts): object {
  return {
    per: quantity,
    cents: typeof each === 'bigint' ? inCents(each) : { by: 'model', prices: pricesOf(each) },
    count: expression,
    at_most: most === 'max' ? 'request.max' : most,
  };
}

export const pathOf = ({ name }: Route): string => `/v1/${name}`;

const pricesOf = (prices: Readonly<Record<string, bigint>>) =>
  Object.fromEntries(Object.entries(prices).map(([name, amount]) => [name, inCents(amount)]));

/** Cents in their canonical form. */
export function inCents(amount: bigint): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(7, '0');
  const decimals = digits.slice(-6).replace(/0+$/, '');
  const whole = `${amount < 0n ? '-' : ''}${digits.slice(0, -6)}`;
  return decimals === '' ? whole : `${whole}.${decimals}`;
}
