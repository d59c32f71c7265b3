import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Delivered, type SendOptions, send } from '../gateway/rig.ts';
import type { Chance } from './chance.ts';
import { ID_HEADER } from './flaky-upstream.ts';
import type { Node } from './node.ts';

/**
 * Customers of the gateway who call it at random, and record the answers and costs that they get.
 */

export interface Payer {
  readonly account: string;
  readonly key: string;
}

/** A call that a customer wants, with its attempts so far. */
export interface Wish {
  readonly payer: Payer;
  readonly path: string;
  readonly idempotencyKey: string | undefined;
  /** Whether the customer has an answer or a final refusal. */
  isOver: boolean;
}

/** One request and its result. */
export interface Attempt {
  readonly wish: Wish;
  readonly node: Node;
  readonly startedAt: number;
  readonly endedAt: number;
  /** The received part of the upstream's answer; null: nothing of it came. */
  readonly received: Received | null;
  /** The payment as the headers or trailers state it. */
  readonly told: Told;
}

export interface Received {
  /** The id of the upstream's answer. */
  readonly id: string;
  readonly status: number;
  readonly body: string;
  readonly isWhole: boolean;
  /** Whether it is a replay of an earlier attempt's answer. */
  readonly isReplay: boolean;
}

export interface Told {
  /** The stated cost in cents; undefined: none was stated. */
  readonly charged: string | undefined;
  readonly charge: string | undefined;
  readonly hold: string | undefined;
}

/** The records of all customers together. */
export interface Journal {
  readonly wishes: Wish[];
  readonly attempts: Attempt[];
  /** The number of answers by status, with the error code if the gateway made the answer. */
  readonly outcomes: Map<string, number>;
}

/** The customers' accounts, and the servers that they can ask. */
export interface World {
  readonly payers: readonly Payer[];
  anyNode(chance: Chance): Node;
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

/** Calls until `isOver`. About one call in two has an idempotency key, and is retried. */
export async function callUntil(
  isOver: () => boolean,
  journal: Journal,
  { payers, anyNode }: World,
  chance: Chance,
): Promise<void> {
  while (!isOver()) {
    const wish: Wish = {
      payer: chance.pick(payers),
      path: chance.pick(PATHS),
      idempotencyKey: chance.below(2) === 0 ? randomUUID() : undefined,
      isOver: false,
    };
    journal.wishes.push(wish);
    const tries = wish.idempotencyKey === undefined ? 1 : chance.between(1, MOST_TRIES);
    for (let tried = 0; tried < tries && !isOver(); tried += 1) {
      await ask(wish, journal, anyNode(chance), leaving(chance));
      // Now and then the customer repeats a call whose answer was received.
      if (wish.isOver && chance.below(3) > 0) break;
      await delay(chance.below(ASK_AGAIN_MS));
    }
  }
}

/** Makes one attempt at a wish. Resolves with its status and, if there is one, its error code. */
export async function ask(
  wish: Wish,
  journal: Journal,
  node: Node,
  leave: Pick<SendOptions, 'leaveAfter' | 'leaveAfterMs'> = {},
): Promise<string> {
  const { payer, path, idempotencyKey } = wish;
  const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
  const startedAt = performance.now();
  const answer = await send(node.url + path, payer.key, { headers, ...leave });
  const outcome = outcomeOf(answer);
  journal.outcomes.set(outcome, (journal.outcomes.get(outcome) ?? 0) + 1);
  const received = receivedIn(answer);
  const endedAt = performance.now();
  journal.attempts.push({ wish, node, startedAt, endedAt, received, told: toldIn(answer) });
  const isAnswered = answer.isWhole && answer.status >= 200 && answer.status < 300;
  wish.isOver ||= isAnswered || FINAL.test(outcome);
  return outcome;
}

const FINAL = /^4\d\d (insufficient_credits|already_answered)$/;

function receivedIn({ status, headers, body, isWhole }: Delivered): Received | null {
  const { [ID_HEADER]: id, 'idempotency-replayed': replayed } = headers;
  if (id === undefined) return null;
  return { id: `${id}`, status, body, isWhole, isReplay: replayed === 'true' };
}

function toldIn({ headers, trailers }: Delivered): Told {
  const told = { ...headers, ...trailers };
  const text = (name: string) => told[name]?.toString();
  return {
    charged: text('x-credits-charged'),
    charge: text('x-charge-id'),
    hold: text('x-hold-id'),
  };
}

function outcomeOf({ status, headers, body, isWhole }: Delivered): string {
  if (!isWhole) return status === 0 ? 'no answer' : `${status} broken off`;
  if (headers['idempotency-replayed'] !== undefined) return `${status} replayed`;
  if (status < 400) return String(status);
  if (headers[ID_HEADER] !== undefined) return `${status} of the upstream`;
  return `${status} ${JSON.parse(body).code}`;
}

/** One client in four disconnects: at a random time, or in the middle of the answer. */
function leaving(chance: Chance): Pick<SendOptions, 'leaveAfter' | 'leaveAfterMs'> {
  const dice = chance.below(8);
  if (dice === 0) return { leaveAfter: chance.between(1, 200) };
  return dice === 1 ? { leaveAfterMs: chance.below(200) } : {};
}
