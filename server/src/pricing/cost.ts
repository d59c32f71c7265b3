import { LARGEST_AMOUNT } from '../ledger/money.ts';
import { formatQuantity, MILLIONTHS } from './counting.ts';
import {
  CountingFailed,
  type Price,
  type PriceByMember,
  type PricePerItem,
  type Route,
} from './price-book.ts';
import { objectsIn, spellingOf } from './spelling.ts';

/**
 * What a call costs. Each part of the price is rounded up to a whole microcent by itself, and the
 * cost is their sum: so what is counted twice costs the same twice, and no part is ever free by
 * rounding.
 */

/** Decimal strings, canonical, such as `{"calls":"1","pages":"20"}`. */
export type Quantities = Readonly<Record<string, string>>;

export interface Cost {
  /** Microcents. */
  readonly amount: bigint;
  readonly quantities: Quantities;
  /** The members of the request that chose a price, with what they chose. */
  readonly choices: Readonly<Record<string, string>>;
}

/** What is known of the cost before the call. */
export interface CostBefore {
  /** The parts that are known, those of the answer at 0. */
  readonly counted: Cost;
  /** The same with the parts of the answer at their maximum. */
  readonly maximum: Cost;
}

/** A request has no price; `loc` is the member of it that is to blame, where one is. */
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

/** Whether the price looks at members of the request, so that its body must be read as JSON. */
export function hasRequestPart(route: Route): boolean {
  return route.price.some((price) => price.kind !== 'call');
}

/** The cost as the request tells it. Throws RequestNotPriced. */
export async function costBefore(route: Route, request: unknown): Promise<CostBefore> {
  judgeSpelling(route.memberNames, request);
  const counted = new Sum();
  const maximum = new Sum();
  for (const price of route.price) {
    switch (price.kind) {
      case 'call':
        for (const sum of [counted, maximum]) sum.add(price.amount);
        break;
      case 'member': {
        const value = choiceOf(price, request);
        const amount = price.amounts.get(value) ?? 0n;
        for (const sum of [counted, maximum]) sum.choose(price.member, value, amount);
        break;
      }
      case 'item': {
        const [least, most] = await boundsOf(price, request);
        counted.count(price, least);
        maximum.count(price, most);
        break;
      }
    }
  }
  if (maximum.amount > LARGEST_AMOUNT) {
    throw new RequestNotPriced('the most that this call could cost is more than can be held');
  }
  return { counted: counted.cost(), maximum: maximum.cost() };
}

/**
 * The cost at the real quantities, and whether it is above the maximum that `before` states. Throws
 * CountingFailed.
 */
export async function costAfter(
  route: Route,
  request: unknown,
  answer: unknown,
  before: CostBefore,
): Promise<{ cost: Cost; isAboveMaximum: boolean }> {
  const sum = new Sum(before.counted);
  for (const price of route.price) {
    if (isOfAnswer(price)) sum.count(price, await price.count.count({ request, answer }));
  }
  if (sum.amount > LARGEST_AMOUNT) {
    throw new CountingFailed('the cost of what was counted is more than can be charged');
  }
  const cost = sum.cost();
  return { cost, isAboveMaximum: cost.amount > before.maximum.amount };
}

/** Microcents of so many millionths of an item, rounded up. */
export function amountOf({ amount, units }: PricePerItem, millionths: bigint): bigint {
  const divisor = units * MILLIONTHS;
  return (amount * millionths + divisor - 1n) / divisor;
}

class Sum {
  amount: bigint;
  readonly #quantities: Record<string, string>;
  readonly #choices: Record<string, string>;

  /** A call is counted as one, whatever it costs. */
  constructor(from: Cost = { amount: 0n, quantities: { calls: '1' }, choices: {} }) {
    this.amount = from.amount;
    this.#quantities = { ...from.quantities };
    this.#choices = { ...from.choices };
  }

  add(amount: bigint): void {
    this.amount += amount;
  }

  choose(member: string, value: string, amount: bigint): void {
    this.#choices[member] = value;
    this.add(amount);
  }

  count(price: PricePerItem, millionths: bigint): void {
    this.#quantities[price.quantity] = formatQuantity(millionths);
    this.add(amountOf(price, millionths));
  }

  cost(): Cost {
    return { amount: this.amount, quantities: this.#quantities, choices: this.#choices };
  }
}

/**
 * Refuses a member, however deep, that an upstream may take for one that the price looks for, though it
 * is written otherwise: `Effort` and `effort[]` for `effort`. The price would not see it.
 */
function judgeSpelling(names: ReadonlySet<string>, request: unknown): void {
  const spelling = spellingOf(names);
  for (const members of objectsIn(request)) {
    for (const name of Object.keys(members)) {
      const meant = spelling.meantBy(name, members === request);
      if (meant === undefined || meant === name) continue;
      throw new RequestNotPriced(`${name} must be written ${meant}`, [name]);
    }
  }
}

function isOfAnswer(price: Price): price is PricePerItem {
  return price.kind === 'item' && price.of === 'answer';
}

/** The least and the most, in millionths, that the request lets be counted. */
async function boundsOf(
  { count, atMost, of, quantity }: PricePerItem,
  request: unknown,
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

/** Which price a request has chosen. Numbers and true or false are read as their text. */
function choiceOf({ member, default: fallback, amounts }: PriceByMember, request: unknown): string {
  const members = request !== null && typeof request === 'object' ? request : {};
  const value = Object.hasOwn(members, member)
    ? (members as Record<string, unknown>)[member]
    : undefined;
  const known = [...amounts.keys()].join(', ');
  if (value === undefined || value === null) {
    if (fallback !== null) return fallback;
    throw new RequestNotPriced(`${member} is required: it must be one of ${known}`, [member]);
  }
  const choice = typeof value === 'object' ? undefined : String(value);
  if (choice !== undefined && amounts.has(choice)) return choice;
  throw new RequestNotPriced(`${member} must be one of ${known}`, [member]);
}
