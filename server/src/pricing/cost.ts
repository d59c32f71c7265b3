import { LARGEST_AMOUNT } from '../ledger/operations/money.ts';
import {
  type AmountByMember,
  type Countable,
  CountingFailed,
  type MemberNames,
  type Price,
  type PriceByMember,
  type PricePerItem,
  type Route,
} from './book/price-book.ts';
import { objectsIn, spellingOf } from './book/spelling.ts';
import { countable } from './counting/countable.ts';
import { formatQuantity, MILLIONTHS } from './counting/counting.ts';

/**
 * The cost of a call: the sum of the parts of its price, each rounded up to a whole microcent. So
 * equal counts always cost the same, and rounding never makes a part free.
 */

/** Quantities as canonical decimal strings, such as `{"calls":"1","pages":"20"}`. */
export type Quantities = Readonly<Record<string, string>>;

export interface Cost {
  /** Microcents. */
  readonly amount: bigint;
  readonly quantities: Quantities;
  /** The members of the request that chose a price, with their values. */
  readonly choices: Readonly<Record<string, string>>;
}

/** The cost as far as it is known before the call. */
export interface CostBefore {
  /** The cost of the request's parts; the answer's parts count as 0. */
  readonly counted: Cost;
  /** The same cost with the answer's parts at their maximum. */
  readonly maximum: Cost;
  /** The request, for expressions that count the answer. */
  readonly request: Countable;
}

/** An answer that can be counted. */
export interface Answer {
  /** Counts the items of one part of the price, in millionths. Rejects with CountingFailed. */
  count(price: PricePerItem, request: Countable): Promise<bigint>;
}

/** An answer that is one JSON value. */
export function jsonAnswer(answer: Countable): Answer {
  return { count: (price, request) => price.count.count({ request, answer }) };
}

/**
 * A request has no price. `loc` is the path of the guilty member; empty: no single one is guilty.
 */
export class RequestNotPriced extends Error {
  readonly loc: readonly string[];

  constructor(message: string, loc: readonly string[] = []) {
    super(message);
    this.name = 'RequestNotPriced';
    this.loc = loc;
  }
}

/** Whether the whole cost is known before the call: no part of the price counts the answer. */
export function isKnownBefore(route: Route): boolean {
  return !route.price.some(isOfAnswer);
}

/** Whether the body of a request must be read as JSON: for its price, or to add members to it. */
export function hasRequestPart({ price, addToRequest }: Route): boolean {
  return addToRequest !== null || price.some(({ kind }) => kind !== 'call');
}

/** The least, in microcents, that an account must have for a call: 1 if a call may cost nothing. */
export function leastCostOf({ price }: Route): bigint {
  let least = 0n;
  for (const part of price) {
    if (part.kind === 'call') least += part.amount;
    if (part.kind === 'member') {
      least += [...part.amounts.values()].reduce((a, b) => (a < b ? a : b));
    }
  }
  return least === 0n && price.length > 0 ? 1n : least;
}

/** Computes the cost from the members of the request. Rejects with RequestNotPriced. */
export async function costBefore(route: Route, members: unknown): Promise<CostBefore> {
  judgeSpelling(route.memberNames, members);
  const request = countableRequest(members);
  const counted = new Sum();
  const maximum = new Sum();
  for (const price of route.price) {
    switch (price.kind) {
      case 'call':
        for (const sum of [counted, maximum]) sum.add(price.amount);
        break;
      case 'member': {
        const choice = choiceOf(price, request);
        for (const sum of [counted, maximum]) sum.choose(choice);
        break;
      }
      case 'item': {
        const amount = amountIn(price, request);
        const [least, most] = await boundsOf(price, request);
        counted.count(price, amount, least);
        maximum.count(price, amount, most);
        break;
      }
    }
  }
  if (maximum.amount > LARGEST_AMOUNT) {
    throw new RequestNotPriced('the most that this call could cost is more than can be held');
  }
  return { counted: counted.cost(), maximum: maximum.cost(), request };
}

/**
 * Computes the cost from the answer, and compares it with the maximum of `before`. Rejects with
 * CountingFailed.
 */
export async function costAfter(
  route: Route,
  answer: Answer,
  before: CostBefore,
): Promise<{ cost: Cost; isAboveMaximum: boolean }> {
  const { request } = before;
  const sum = new Sum(before.counted);
  for (const price of route.price) {
    if (!isOfAnswer(price)) continue;
    sum.count(price, amountIn(price, request), await answer.count(price, request));
  }
  if (sum.amount > LARGEST_AMOUNT) {
    throw new CountingFailed('the cost of what was counted is more than can be charged');
  }
  const cost = sum.cost();
  return { cost, isAboveMaximum: cost.amount > before.maximum.amount };
}

/** An amount that may depend on a member of the request. */
interface Choice {
  readonly amount: bigint;
  /** The member that chose the amount, with its value; undefined: the amount is fixed. */
  readonly by?: readonly [member: string, value: string];
}

class Sum {
  amount: bigint;
  readonly #quantities: Record<string, string>;
  readonly #choices: Record<string, string>;

  /** Begins with one call, whatever it costs. */
  constructor(from: Cost = { amount: 0n, quantities: { calls: '1' }, choices: {} }) {
    this.amount = from.amount;
    this.#quantities = { ...from.quantities };
    this.#choices = { ...from.choices };
  }

  add(amount: bigint): void {
    this.amount += amount;
  }

  choose({ amount, by }: Choice): void {
    if (by) this.#choices[by[0]] = by[1];
    this.add(amount);
  }

  /** Adds the price of so many millionths of an item, rounded up to a microcent. */
  count({ quantity, units }: PricePerItem, { amount, by }: Choice, millionths: bigint): void {
    const divisor = units * MILLIONTHS;
    this.#quantities[quantity] = formatQuantity(millionths);
    this.choose({ amount: (amount * millionths + divisor - 1n) / divisor, ...(by && { by }) });
  }

  cost(): Cost {
    return { amount: this.amount, quantities: this.#quantities, choices: this.#choices };
  }
}

/**
 * Refuses a misspelt member that an upstream may accept, such as `Effort` or `effort[]` for
 * `effort`. The price would not see it.
 */
function judgeSpelling(looked: MemberNames, request: unknown): void {
  const spelling = spellingOf(looked);
  for (const members of objectsIn(request)) {
    for (const name of Object.keys(members)) {
      const meant = spelling.meantBy(name, members === request);
      if (meant === undefined || meant === name) continue;
      throw new RequestNotPriced(`${name} must be written ${meant}`, [name]);
    }
  }
}

/** Whether a part of the price counts the answer. */
export function isOfAnswer(price: Price): price is PricePerItem {
  return price.kind === 'item' && price.of === 'answer';
}

/** The smallest and the largest count that the request allows, in millionths. */
async function boundsOf(
  { count, atMost, of, quantity }: PricePerItem,
  request: Countable,
): Promise<[bigint, bigint]> {
  try {
    if (of === 'answer') return [0n, atMost ? await atMost.count({ request }) : 0n];
    const counted = await count.count({ request });
    return [counted, counted];
  } catch (error) {
    if (!(error instanceof CountingFailed)) throw error;
    throw new RequestNotPriced(`the ${quantity} of this request cannot be counted`);
  }
}

function countableRequest(members: unknown): Countable {
  try {
    return countable(members);
  } catch (error) {
    if (!(error instanceof CountingFailed)) throw error;
    throw new RequestNotPriced(`the request cannot be read: ${error.message}`);
  }
}

/** The amount for a call that the request's member chooses. Throws RequestNotPriced. */
function choiceOf(price: PriceByMember, request: Countable): Choice {
  const { member, default: fallback, amounts } = price;
  const value = chosenBy(member, request) ?? fallback;
  const amount = value === null ? undefined : amounts.get(value);
  if (value === null || amount === undefined) throw unpriced(price, request);
  return { amount, by: [member, value] };
}

/** The price of an item: fixed, or chosen by a member of the request. Throws RequestNotPriced. */
function amountIn({ amount: priced }: PricePerItem, request: Countable): Choice {
  if (typeof priced === 'bigint') return { amount: priced };
  const { member, default: other, amounts } = priced;
  const value = chosenBy(member, request);
  const amount = (value === undefined ? undefined : amounts.get(value)) ?? other;
  if (amount === null || (value !== undefined && !NAMEABLE.test(value))) {
    throw unpriced(priced, request);
  }
  return { amount, by: [member, value ?? 'default'] };
}

/** A value that a receipt can show: short, and without control characters and lone surrogates. */
const NAMEABLE = /^[^\p{Cc}\p{Cs}]{1,64}$/u;

/** The value of a member of the request, as text; undefined: there is none. */
function chosenBy(member: string, request: Countable): string | undefined {
  const members = typeof request === 'object' ? request : {};
  if (!Object.hasOwn(members, member)) return undefined;
  const value = (members as Readonly<Record<string, unknown>>)[member];
  return typeof value === 'object' ? '' : String(value);
}

function unpriced({ member, amounts }: PriceByMember | AmountByMember, request: Countable): Error {
  const isMissing = chosenBy(member, request) === undefined;
  const known = `must be one of ${[...amounts.keys()].join(', ')}`;
  const message = isMissing ? `${member} is required: it ${known}` : `${member} ${known}`;
  return new RequestNotPriced(message, [member]);
}
