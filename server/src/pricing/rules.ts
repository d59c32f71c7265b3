import createRouter, { type HTTPMethod } from 'find-my-way';
import { LARGEST_AMOUNT, parseCents } from '../ledger/operations/money.ts';
import { isObject, type Path } from '../schema/node.ts';
import { nearest } from '../schema/words.ts';
import { DEFAULTS } from './book/defaults.ts';
import { type Fault, nameOf } from './book/judge.ts';
import type { RawPrice } from './book/price-schema.ts';
import type { RawAdded, RawRoute, RawSecret, RawUpstream } from './book/schema.ts';
import { namesOf, priceOf } from './build.ts';
import { compileCounting, type Purpose } from './counting/counting.ts';
import { ExpressionRefused } from './counting/expression.ts';

/** The rules of a price book that a schema cannot hold. */

/** Purser's own paths. A route can have none of them, and no path under them. */
export const OWN_PATHS: readonly string[] = [
  ...['billing', 'accounts', 'api_keys', 'grants', 'charges', 'holds', 'adjustments'].map(v1),
  ...['authorizations', 'quotes', 'operator_keys', 'price_books'].map(v1),
  ...['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs', '/reference'],
];

function v1(name: string): string {
  return `/v1/${name}`;
}

/** Headers that cannot carry a secret, because they belong to the connection or to the body. */
const OTHER_HEADERS: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'upgrade'],
  ...['te', 'trailer', 'transfer-encoding', 'expect', 'content-length', 'content-type'],
  ...['content-encoding', 'accept-encoding', 'date'],
]);

/** The names of Purser's own settings: some are secret, so none may go to an upstream. */
const OWN_VARIABLE = /^(PURSER_|DATABASE_URL$|PG[A-Z]+$)/;

/**
 * Yields the price book's faults by the rules. `faults` are those of the schema: a route or an
 * upstream that has one is not judged further.
 */
export function* judgeBook(value: unknown, faults: readonly Fault[]): Generator<Fault> {
  const { top_up_url: topUp, upstreams, routes } = (value ?? {}) as Record<string, unknown>;
  const isSound = (...path: string[]) =>
    !faults.some((found) => path.every((step, index) => found.path[index] === step));
  const soundOf = <Raw>(group: string, members: unknown): [string, Raw][] =>
    Object.entries(isObject(members) ? (members as Record<string, Raw>) : {}).filter(([name]) =>
      isSound(group, name),
    );
  if (typeof topUp === 'string' && isSound('top_up_url') && !URL.canParse(topUp)) {
    const cure = 'write it such as https://example.com/billing';
    yield { path: ['top_up_url'], message: 'top_up_url is not an address', cure };
  }
  for (const [name, { base_url, secret }] of soundOf<RawUpstream>('upstreams', upstreams)) {
    yield* judgeBaseUrl(['upstreams', name, 'base_url'], base_url);
    if (secret) yield* judgeSecret(['upstreams', name, 'secret'], secret);
  }
  const names = Object.keys(isObject(upstreams) ? upstreams : {});
  const soundRoutes = soundOf<RawRoute>('routes', routes);
  for (const [name, route] of soundRoutes) yield* judgeRoute(['routes', name], route, names);
  yield* judgeRouting(soundRoutes);
}

/** Requires an address without credentials, query and fragment. */
function judgeBaseUrl(path: Path, text: string): Fault[] {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const cure = 'write scheme, host and perhaps a path, such as https://api.example.com/base';
  if (!url) return [{ path, message: `${nameOf(path)} is not an address`, cure }];
  const has = [
    url.username || url.password ? 'credentials' : '',
    text.includes('?') ? 'a query' : '',
    text.includes('#') ? 'a fragment' : '',
  ].filter((part) => part !== '');
  if (has.length === 0) return [];
  return [{ path, message: `${nameOf(path)} must not have ${has.join(' and ')}`, cure }];
}

/** Requires a header that can carry a secret, and a variable that is not Purser's own. */
function judgeSecret(path: Path, { header, env }: RawSecret): Fault[] {
  const faults: Fault[] = [];
  if (OTHER_HEADERS.has(header.toLowerCase())) {
    const message = `${nameOf(path)}.header: ${header} cannot carry a secret`;
    const cure = 'use the header that the upstream asks for, such as Authorization or X-API-Key';
    faults.push({ path: [...path, 'header'], message, cure });
  }
  if (OWN_VARIABLE.test(env)) {
    const message = `${nameOf(path)}.env: ${env} belongs to Purser and would be sent away`;
    faults.push({ path: [...path, 'env'], message, cure: 'use a variable of its own' });
  }
  return faults;
}

/** Finds members of one route that contradict each other or the rest of the price book. */
function judgeRoute(path: Path, route: RawRoute, upstreams: readonly string[]): Fault[] {
  const faults: Fault[] = [...judgePrices([...path, 'price'], route.price)];
  const isPriceSound = faults.length === 0;
  const add = (member: string, message: string, cure: string) => {
    faults.push({
      path: [...path, member],
      message: `${nameOf([...path, member])} ${message}`,
      cure,
    });
  };
  if (!upstreams.includes(route.upstream)) {
    const meant = nearest(route.upstream, upstreams);
    const known = upstreams.length > 0 ? `known are ${upstreams.join(', ')}` : 'add it there';
    const cure = meant ? `did you mean ${meant}?` : known;
    add('upstream', `is ${route.upstream}, which is not one of upstreams`, cure);
  }
  const own = OWN_PATHS.find((taken) => `${route.path}/`.startsWith(`${taken}/`));
  if (own) add('path', `is under ${own}, which is Purser's own`, 'choose another path');
  const countsAnswer = route.price.some((price) => 'per' in price && isOfAnswer(price));
  if (route.count_event_with !== undefined && !countsAnswer) {
    const cure = 'leave it out, or add a price with of: answer';
    add('count_event_with', 'has no use: no price counts the answer', cure);
  }
  const addedAt = [...path, 'add_to_request'];
  if (route.add_to_request) {
    faults.push(...judgeAdded(addedAt, route.add_to_request, route));
    if (isPriceSound) faults.push(...judgeAddedPrice(addedAt, route.add_to_request, route));
  }
  return faults;
}

/** Methods whose calls have a body. */
const WITH_BODY = ['POST', 'PUT', 'PATCH'];

/** Requires a method with a body, and members that JSON can hold. */
function judgeAdded(path: Path, { members }: RawAdded, { methods }: RawRoute): Fault[] {
  if (!methods.some((method) => WITH_BODY.includes(method))) {
    const message = `${nameOf(path)} has no use: a ${methods.join(' or ')} has no body`;
    return [{ path, message, cure: `leave it out, or add one of ${WITH_BODY.join(', ')}` }];
  }
  if (isJson(members)) return [];
  const message = `${nameOf(path)}.members has a value that JSON cannot hold`;
  return [{ path: [...path, 'members'], message, cure: 'write texts, numbers, lists and objects' }];
}

/**
 * Refuses to add a member that the price reads: the price would see the customer's value instead.
 */
function judgeAddedPrice(path: Path, { members }: RawAdded, { price }: RawRoute): Fault[] {
  const { top, deep } = namesOf(price.map((part) => priceOf(part, [])));
  const read = Object.keys(members).filter((name) => top.has(name) || deep.has(name));
  return read.map((name) => {
    const at = [...path, 'members', name];
    const message = `${nameOf(at)}: the price looks for ${name}, and would see the customer's value`;
    return { path: at, message, cure: 'count without it, or leave it out here' };
  });
}

/** Whether JSON can hold a value of YAML: JSON has no infinity, and no value contains itself. */
function isJson(value: unknown, within: readonly unknown[] = []): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (value === null || typeof value !== 'object') return typeof value !== 'bigint';
  if (within.includes(value)) return false;
  return Object.values(value).every((inner) => isJson(inner, [...within, value]));
}

/** The reason to refuse a path that the router would accept; undefined: it is good. */
function problemOfPath(path: string): [message: string, cure: string] | undefined {
  if (!/^[A-Za-z0-9._~!$&',;=:@/*-]*$/.test(path)) {
    return ['has a character that it cannot have', "it may have letters, digits and ._~!$&',;=:@-"];
  }
  if (path.replace(/\/\*$/, '').includes('*')) {
    return ['has a * elsewhere than in a /* at its end', 'name one segment with :name'];
  }
  if (/\/(\.{1,2})?\//.test(`${path.replace(/\/$/, '')}/`)) {
    return ['has an empty segment, . or ..', 'leave the segment out'];
  }
  return undefined;
}

function* judgePrices(path: Path, prices: readonly RawPrice[]): Generator<Fault> {
  const seen = new Set<string>();
  for (const [index, price] of prices.entries()) {
    const at = [...path, index];
    const name = nameOf(at);
    if (
      'by' in price &&
      price.default !== undefined &&
      !Object.hasOwn(price.cents, price.default)
    ) {
      const message = `${name}.default is ${price.default}, which has no price`;
      const cure = `choose one of ${Object.keys(price.cents).join(', ')}`;
      yield { path: [...at, 'default'], message, cure };
    }
    const known = 'by' in price ? `by ${price.by}` : 'per' in price ? price.per : undefined;
    if (known !== undefined && seen.has(known)) {
      const member = 'by' in price ? 'by' : 'per';
      const message = `${name}: there are two prices ${member === 'by' ? known : `per ${known}`}`;
      yield {
        path: [...at, member],
        message,
        cure: 'give each a name of its own, or leave one out',
      };
    }
    if (known !== undefined) seen.add(known);
    if ('per' in price) yield* judgeItems(at, price);
    yield* judgeAmounts(at, price);
  }
}

/** Compiles an expression, and reports a failure at its place in the text. */
function judgeText(path: Path, text: string, purpose: Purpose): Fault[] {
  try {
    compileCounting(text, purpose);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionRefused)) throw error;
    const { message, cure, position: offset } = error;
    return [{ path, offset, message: `${nameOf(path)}: ${message}`, cure }];
  }
}

/** Bounds every amount of one part of a price. */
function* judgeAmounts(path: Path, price: RawPrice): Generator<Fault> {
  if ('per_call' in price) return yield* judgeCents([...path, 'per_call'], price.per_call);
  const at = [...path, 'cents'];
  if ('by' in price) return yield* judgeEach(at, price.cents);
  if (typeof price.cents === 'string') return yield* judgeCents(at, price.cents);
  const { prices, default: other } = price.cents;
  yield* judgeEach([...at, 'prices'], prices);
  if (other !== undefined) yield* judgeCents([...at, 'default'], other);
}

function* judgeEach(path: Path, prices: Readonly<Record<string, string>>): Generator<Fault> {
  for (const [value, cents] of Object.entries(prices)) yield* judgeCents([...path, value], cents);
}

function judgeCents(path: Path, text: string): Fault[] {
  if ((parseCents(text) ?? 0n) <= LARGEST_AMOUNT) return [];
  const message = `${nameOf(path)} is more than an account can have`;
  return [{ path, message, cure: 'it must be at most 9223372036854.775807 cents' }];
}

type RawItems = Extract<RawPrice, { per: string }>;

function isOfAnswer({ of }: RawItems): boolean {
  return (of ?? DEFAULTS.item.of) === 'answer';
}

function* judgeItems(path: Path, price: RawItems): Generator<Fault> {
  const name = nameOf(path);
  if (price.per === 'calls') {
    const cure = 'write per_call for a price of each call, or choose another name';
    yield { path: [...path, 'per'], message: `${name}.per: calls are counted by themselves`, cure };
  }
  const countsAnswer = isOfAnswer(price);
  yield* judgeText([...path, 'count'], price.count, countsAnswer ? 'answer' : 'request');
  if (typeof price.at_most === 'string') {
    yield* judgeText([...path, 'at_most'], price.at_most, 'maximum');
  }
  if (countsAnswer && price.at_most === undefined) {
    const message = `${name}.at_most is missing`;
    const cure =
      'add the most items of a call, whose cost is held before it; or count the request: of: request';
    yield { path, message, cure };
  }
  for (const member of ['event', 'each_event'] as const) {
    if (countsAnswer || price[member] === undefined) continue;
    const message = `${name}.${member} has no use if the request is counted`;
    yield { path: [...path, member], message, cure: 'leave it out' };
  }
  if (price.event !== undefined && price.each_event !== undefined) {
    const message = `${name} has both event and each_event`;
    const cure = 'keep event to count the last one, or each_event to count all of them';
    yield { path: [...path, 'each_event'], message, cure };
  }
  if (!countsAnswer && price.at_most !== undefined) {
    const message = `${name}.at_most has no use if the request is counted`;
    yield { path: [...path, 'at_most'], message, cure: 'leave it out' };
  }
}

/** Finds routes that match the same calls, and patterns that the router refuses. */
function judgeRouting(routes: readonly (readonly [string, RawRoute])[]): Fault[] {
  const router = createRouter();
  const owners = new Map<unknown, string>();
  return routes.flatMap(([name, { methods, path: pattern }]): Fault[] => {
    const path = ['routes', name, 'path'];
    const problem = problemOfPath(pattern);
    if (problem) return [{ path, message: `${nameOf(path)} ${problem[0]}`, cure: problem[1] }];
    const handler = () => undefined;
    owners.set(handler, name);
    try {
      for (const method of methods as HTTPMethod[]) {
        const taken = owners.get(router.findRoute(method, pattern)?.handler);
        if (taken !== undefined) {
          const message = `${nameOf(path)}: ${method} ${pattern} is the route ${taken} already`;
          return [{ path, message, cure: 'give each route a path or a method of its own' }];
        }
        router.on(method, pattern, handler);
      }
      return [];
    } catch (error) {
      const message = `${nameOf(path)} is no pattern: ${(error as Error).message}`;
      return [{ path, message, cure: 'write it such as /v1/items/:id or /v1/items/*' }];
    }
  });
}
