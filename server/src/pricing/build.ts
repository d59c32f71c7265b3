import { LARGEST_AMOUNT, parseCents } from '../ledger/money.ts';
import { compileCounting, constantCounting } from './counting.ts';
import {
  type Counting,
  DEFAULT_SETTLEMENT,
  type Price,
  type PriceBook,
  type Route,
  type Settlement,
  type Upstream,
} from './price-book.ts';
import type { RawPrice } from './price-schema.ts';
import { DEFAULTS, type RawBook, type RawRoute, type RawUpstream } from './schema.ts';

/** Makes a price book of what fits the schema and the rules. */
export function buildBook({ top_up_url, upstreams, routes }: RawBook): PriceBook {
  return {
    topUpUrl: top_up_url ?? null,
    upstreams: new Map(
      Object.entries(upstreams).map(([name, raw]) => [name, upstreamOf(name, raw)]),
    ),
    routes: Object.entries(routes).map(([name, raw]) => routeOf(name, raw)),
  };
}

function upstreamOf(name: string, raw: RawUpstream): Upstream {
  const { base_url, secret, connections, ...timeouts } = { ...DEFAULTS, ...raw };
  const { origin, pathname } = new URL(base_url);
  return {
    name,
    baseUrl: `${origin}${pathname.replace(/\/+$/, '')}`,
    secret: secret
      ? { header: secret.header.toLowerCase(), env: secret.env, prefix: secret.prefix ?? '' }
      : null,
    connectTimeoutMs: milliseconds(timeouts.connect_timeout_s),
    answerTimeoutMs: milliseconds(timeouts.answer_timeout_s),
    idleTimeoutMs: milliseconds(timeouts.idle_timeout_s),
    connections,
  };
}

function routeOf(name: string, raw: RawRoute): Route {
  const { rate_limit, settlement, ...route } = { ...DEFAULTS, ...raw };
  const price = route.price.map(priceOf);
  return {
    name,
    methods: route.methods,
    path: route.path,
    scope: route.scope,
    upstream: route.upstream,
    rateLimit: rate_limit
      ? {
          perSecond: rate_limit.per_second,
          burst: rate_limit.burst ?? Math.ceil(rate_limit.per_second),
        }
      : null,
    largestBodyBytes: route.largest_body_bytes,
    longestMs: milliseconds(route.longest_s),
    meteringBufferBytes: route.metering_buffer_bytes,
    countEventWith: raw.count_event_with ?? null,
    replayBytes: route.replay_bytes,
    concurrency: route.concurrency,
    errorEvents: [raw.error_event ?? []].flat(),
    errorFormat: route.error_format,
    addToRequest: raw.add_to_request ? { when: null, ...raw.add_to_request } : null,
    receiptComment: route.receipt_comment,
    price,
    memberNames: new Set(price.flatMap(namesIn)),
    settlement: { ...DEFAULT_SETTLEMENT, ...(settlement as Partial<Settlement>) },
  };
}

function priceOf(raw: RawPrice): Price {
  if ('per_call' in raw) return { kind: 'call', amount: microcents(raw.per_call) };
  if ('by' in raw) {
    const amounts = Object.entries(raw.cents).map(
      ([value, cents]) => [value, microcents(cents)] as const,
    );
    const { by: member, default: fallback = null } = raw;
    return { kind: 'member', member, default: fallback, amounts: new Map(amounts) };
  }
  const { per: quantity, cents, units = 1, count, of = 'answer', at_most } = raw;
  return {
    kind: 'item',
    quantity,
    amount: microcents(cents),
    units: BigInt(units),
    of,
    count: compileCounting(count, of),
    atMost: at_most === undefined ? null : atMostOf(at_most),
  };
}

/** The names of members that a part of a price looks for. */
function namesIn(price: Price): readonly string[] {
  switch (price.kind) {
    case 'call':
      return [];
    case 'member':
      return [price.member];
    case 'item':
      return [...price.count.names, ...(price.atMost?.names ?? [])];
  }
}

function atMostOf(raw: number | string): Counting {
  return typeof raw === 'number' ? constantCounting(raw) : compileCounting(raw, 'maximum');
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1_000);
}

/** Of a text that the schema and the rules have judged. */
function microcents(text: string): bigint {
  const amount = parseCents(text);
  if (amount === undefined || amount > LARGEST_AMOUNT) throw new RangeError(`${text} is no amount`);
  return amount;
}
