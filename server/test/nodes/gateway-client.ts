import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Delivered, type SendOptions, send } from '../gateway/rig.ts';
import { OWN_HEADER } from './flaky-upstream.ts';

/** Customers of the gateway who call it at random, and remember what they were told. */

export interface Payer {
  readonly account: string;
  readonly key: string;
}

/** A call that its customer wants, as far as it got. */
export interface Wish {
  readonly payer: Payer;
  readonly path: string;
  readonly idempotencyKey: string | undefined;
  /** What the customer was told of an answer that came whole. */
  bought?: { readonly charged: string; readonly chargeId: string };
  /** Whether there is nothing more to ask: an answer, or a refusal. */
  isOver: boolean;
}

/** What the customers were told, all together. */
export interface Journal {
  readonly wishes: Wish[];
  /** Statuses with the code of the gateway's own errors, and how often. */
  readonly outcomes: Map<string, number>;
}

const PATHS = [
  '/v1/fixed',
  '/v1/effort?effort=low',
  '/v1/effort?effort=high',
  '/v1/counted',
  '/v1/counted',
  '/v1/events',
  '/v1/events',
  '/v1/free',
];
const MOST_TRIES = 8;
const ASK_AGAIN_MS = 100;

/** Calls until `isOver`; about one call in two has an idempotency key and is tried again. */
export async function callUntil(
  isOver: () => boolean,
  journal: Journal,
  payers: readonly Payer[],
  urlOf: () => string,
): Promise<void> {
  while (!isOver()) {
    const wish: Wish = {
      payer: pick(payers),
      path: `${pick(PATHS)}`,
      idempotencyKey: randomInt(2) === 0 ? randomUUID() : undefined,
      isOver: false,
    };
    journal.wishes.push(wish);
    const tries = wish.idempotencyKey === undefined ? 1 : randomInt(1, MOST_TRIES);
    for (let tried = 0; tried < tries && !wish.isOver && !isOver(); tried += 1) {
      await ask(wish, journal, urlOf(), leaving());
      if (!wish.isOver) await delay(randomInt(ASK_AGAIN_MS));
    }
  }
}

/** Asks for what is wished, once; what came of it. */
export async function ask(
  wish: Wish,
  journal: Journal,
  url: string,
  leave: Pick<SendOptions, 'leaveAfter' | 'leaveAfterMs'> = {},
): Promise<string> {
  const { payer, path, idempotencyKey } = wish;
  const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
  const answer = await send(url + path, payer.key, { headers, ...leave });
  const outcome = outcomeOf(answer);
  journal.outcomes.set(outcome, (journal.outcomes.get(outcome) ?? 0) + 1);
  const isAnswered = answer.isWhole && answer.status >= 200 && answer.status < 300;
  if (isAnswered) {
    const told = { ...answer.headers, ...answer.trailers };
    const { 'x-credits-charged': charged, 'x-charge-id': chargeId } = told;
    // Without them the payment was not settled in time, or nothing was charged.
    if (charged && chargeId) wish.bought = { charged: `${charged}`, chargeId: `${chargeId}` };
  }
  wish.isOver = isAnswered || FINAL.test(outcome);
  return outcome;
}

const FINAL = /^4\d\d (insufficient_credits|already_answered|too_many_attempts)$/;

function outcomeOf({ status, headers, body, isWhole }: Delivered): string {
  if (!isWhole) return status === 0 ? 'no answer' : `${status} broken off`;
  if (status < 400) return String(status);
  if (headers[OWN_HEADER] !== undefined) return `${status} of the upstream`;
  return `${status} ${JSON.parse(body).code}`;
}

/** One customer in four leaves: at some time, or in the middle of the answer. */
function leaving(): Pick<SendOptions, 'leaveAfter' | 'leaveAfterMs'> {
  const dice = randomInt(8);
  if (dice === 0) return { leaveAfter: randomInt(1, 200) };
  return dice === 1 ? { leaveAfterMs: randomInt(200) } : {};
}

function pick<T>(things: readonly T[]): T {
  return things[randomInt(things.length)] as T;
}
