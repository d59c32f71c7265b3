import type { Ending, Pays, Route } from '../../pricing/book/price-book.ts';
import { BodyTooLarge } from '../request/request-body.ts';

/**
 * The endings of a call: which one it was, and what it costs. The names and the default costs are the
 * price book's (`ENDINGS`, `DEFAULT_SETTLEMENT`).
 */

/** How a call ended: its answer was delivered whole, or an ending that a route can price. */
export type CallEnding = Ending | 'delivered';

/** Why a call is stopped before its answer is whole. */
export type StopReason = 'client_left' | 'client_slow' | 'time_exceeded' | 'server_stops';

interface EndingFacts {
  /** Who brings it about. A customer's ending uses the idempotency key, even if it costs nothing. */
  readonly by: 'customer' | 'upstream' | 'operator';
  /** How it is logged, because the operator may have to mend something. */
  readonly log: 'error' | 'warn' | null;
}

export const ENDING_FACTS: Readonly<Record<CallEnding, EndingFacts>> = {
  delivered: { by: 'customer', log: null },
  upstream_unreachable: { by: 'upstream', log: 'warn' },
  upstream_timeout: { by: 'upstream', log: 'warn' },
  upstream_4xx: { by: 'upstream', log: null },
  upstream_5xx: { by: 'upstream', log: null },
  upstream_broke_off: { by: 'upstream', log: 'warn' },
  upstream_rejected_operator: { by: 'operator', log: 'error' },
  upstream_error_event: { by: 'upstream', log: null },
  time_exceeded: { by: 'upstream', log: 'warn' },
  // A customer can bring these about, for example by asking for another format.
  answer_malformed: { by: 'customer', log: 'warn' },
  answer_too_large: { by: 'customer', log: 'warn' },
  above_maximum: { by: 'customer', log: 'warn' },
  client_left_before_answer: { by: 'customer', log: null },
  client_left_midway: { by: 'customer', log: null },
};

/** What has happened to a call so far. */
export interface Course {
  /** Null: nobody has stopped it. */
  readonly stopped: StopReason | null;
  /** Whether the client has left, or its body has broken off, and the answer is not kept for its next request. */
  readonly hasClientLeft: boolean;
  /** Whether the client has held its answer up for long. */
  readonly hasClientHeldUp: boolean;
  /** Whether a connection has begun to send the request. */
  readonly isSent: boolean;
  /** Whether the head of an answer has come. */
  readonly hasStatus: boolean;
  /** Whether a part of the answer's body may have reached the customer. */
  readonly isPassedOn: boolean;
  /** Whether the upstream has ended the exchange. */
  readonly brokeOff: boolean;
}

/** The ending of a call that got no answer, by the error that says so. */
export function endingWithoutAnswer(error: unknown, course: Course): CallEnding {
  const broken = course.hasStatus ? 'upstream_broke_off' : 'upstream_unreachable';
  if (error instanceof BodyTooLarge) return broken;
  if (course.stopped === 'server_stops') return 'upstream_broke_off';
  const isByClient = course.stopped === 'client_left' || course.stopped === 'client_slow';
  if (isByClient || course.hasClientLeft) return 'client_left_before_answer';
  if (course.stopped === 'time_exceeded') return 'time_exceeded';
  return TIMEOUTS.has((error as { code?: string }).code ?? '') ? 'upstream_timeout' : broken;
}

/** The ending of a call whose answer has begun and was not delivered whole. */
export function endingMidway({ stopped, brokeOff, hasClientHeldUp }: Course): CallEnding {
  if (stopped === 'time_exceeded') return 'time_exceeded';
  if (stopped === 'server_stops') return 'upstream_broke_off';
  // A client could make the upstream break off by taking nothing for a long time.
  return brokeOff && !hasClientHeldUp ? 'upstream_broke_off' : 'client_left_midway';
}

/** What a customer pays for an ending: as the route says, and nothing for what a server did. */
export function paysFor(ending: CallEnding, { settlement }: Route, course: Course): Pays {
  if (ending === 'delivered') return 'counted';
  if (course.stopped === 'server_stops') return 'free';
  if (ending === 'client_left_before_answer' && !course.isSent) return 'free';
  if (ending === 'time_exceeded' && !course.isPassedOn) return 'free';
  return settlement[ending];
}

/** Whether the idempotency key of a call that ended so is free again: the next request is a call of its own. */
export function freesKey(ending: CallEnding, route: Route, course: Course): boolean {
  const isByCustomer = ENDING_FACTS[ending].by === 'customer' && course.isSent;
  return !isByCustomer && paysFor(ending, route, course) === 'free';
}

/** Undici's errors for what took too long. */
const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);
