import { LARGEST_AMOUNT, parseCents } from '../ledger/operations/money.ts';
import { DEFAULTS } from './book/defaults.ts';
import type {
  AmountByMember,
  Counting,
  MemberNames,
  Price,
  PriceBook,
  Route,
  Settlement,
  Upstream,
} from './book/price-book.ts';
import type { RawCentsByMember, RawPrice } from './book/price-schema.ts';
import type { RawAdded, RawBook, RawRoute, RawUpstream } from './book/schema.ts';
import { compileCounting, constantCounting } from './counting/counting.ts';

/** Makes a price book of a value that fits the schema and the rules. */
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
  const { base_url, secret, connections, ...timeouts } = { ...DEFAULTS.upstream, ...raw };
  const { origin, pathname } = new URL(base_url);
  return {
    name,
    baseUrl: `${origin}${pathname.replace(/\/+$/, '')}`,
    secret: secret ? { ...DEFAULTS.secret, ...secret, header: secret.header.toLowerCase() } : null,
    connectTimeoutMs: milliseconds(timeouts.connect_timeout_s),
    answerTimeoutMs: milliseconds(timeouts.answer_timeout_s),
    idleTimeoutMs: milliseconds(timeouts.idle_timeout_s),
    connections,
  };
}

function routeOf(name: string, raw: RawRoute): Route {
  const { rate_limit, settlement, ...route } = { ...DEFAULTS.route, ...raw };
  const names = [raw.count_event_with ?? []].flat();
  const price = route.price.map((part) => priceOf(part, names));
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
    replayBytes: route.replay_bytes,
    concurrency: route.concurrency,
    errorEvents: [raw.error_event ?? []].flat(),
    errorFormat: route.error_format,
    addToRequest: raw.add_to_request ? { when: null, ...raw.add_to_request } : null,
    receiptComment: route.receipt_comment,
    price,
    memberNames: namesOf(price, raw.add_to_request),
    settlement: { ...DEFAULTS.settlement, ...(settlement as Partial<Settlement>) },
  };
}

/** A part of a price; it counts the events of these `names` if it names none itself. */
export function priceOf(raw: RawPrice, names: readonly string[]): Price {
  if ('per_call' in raw) return { kind: 'call', amount: microcents(raw.per_call) };
  if ('by' in raw) {
    const { by: member, default: fallback = null, cents } = raw;
    return { kind: 'member', member, default: fallback, amounts: amountsOf(cents) };
  }
  const { per: quantity, cents, units, count, of, at_most } = { ...DEFAULTS.item, ...raw };
  return {
    kind: 'item',
    quantity,
    amount: typeof cents === 'string' ? microcents(cents) : amountByMember(cents),
    units: BigInt(units),
    of,
    count: compileCounting(count, of),
    atMost: at_most === undefined ? null : atMostOf(at_most),
    events: {
      names: [raw.each_event ?? raw.event ?? names].flat(),
      isEach: raw.each_event !== undefined,
    },
  };
}

function amountByMember({ by: member, prices, default: other }: RawCentsByMember): AmountByMember {
  const fallback = other === undefined ? null : microcents(other);
  return { member, amounts: amountsOf(prices), default: fallback };
}

function amountsOf(cents: Readonly<Record<string, string>>): ReadonlyMap<string, bigint> {
  return new Map(Object.entries(cents).map(([value, text]) => [value, microcents(text)]));
}

/** The members that a price looks for, and those that decide what is added to the request. */
export function namesOf(price: readonly Price[], added?: RawAdded): MemberNames {
  const expressions = price.flatMap((part) =>
    part.kind === 'item' ? [part.count.names, ...(part.atMost ? [part.atMost.names] : [])] : [],
  );
  const choosing = price.flatMap((part) => {
    if (part.kind === 'member') return part.member;
    return part.kind === 'item' && typeof part.amount !== 'bigint' ? part.amount.member : [];
  });
  const adding = added ? [...Object.keys(added.members), ...[added.when ?? []].flat()] : [];
  return {
    top: new Set([...choosing, ...adding, ...expressions.flatMap(({ top }) => [...top])]),
    deep: new Set(expressions.flatMap(({ deep }) => [...deep])),
  };
}

function atMostOf(raw: number | string): Counting {
  return typeof raw === 'number' ? constantCounting(raw) : compileCounting(raw, 'maximum');
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1_000);
}

/** The amount in a text that the schema and the rules have checked. */
function microcents(text: string): bigint {
  const amount = parseCents(text);
  if (amount === undefined || amount > LARGEST_AMOUNT) throw new RangeError(`${text} is no amount`);
  return amount;
}
