import type { Ending, Pays, Route } from '../../pricing/book/price-book.ts';
import { BodyTooLarge } from '../request/request-body.ts';

/**
 * The endings of a call, and their costs (docs/gateway.md, "How a call can end"). The price book has
 * their names and default costs (`ENDINGS`, `DEFAULTS.settlement`).
 */

/** How a call ended: delivered whole, or with an ending that a route can price. */
export type CallEnding = Ending | 'delivered';

/** The reason to stop a call before its answer is whole. */
export type StopReason = 'client_left' | 'client_slow' | 'time_exceeded' | 'server_stops';

interface EndingFacts {
  /** The party that can cause it. An ending by the customer uses the idempotency key, even if it is free. */
  readonly by: 'customer' | 'upstream' | 'operator';
  /** The log level; null: the operator has nothing to mend. */
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
  // A customer can cause these, for example by asking for another format.
  answer_malformed: { by: 'customer', log: 'warn' },
  answer_too_large: { by: 'customer', log: 'warn' },
  above_maximum: { by: 'customer', log: 'warn' },
  client_left_before_answer: { by: 'customer', log: null },
  client_left_midway: { by: 'customer', log: null },
};

/** The facts about a call that decide its ending. */
export interface Course {
  /** Null: the call was not stopped. */
  readonly stopped: StopReason | null;
  /** Whether the client disconnected, also within its body, and no answer is kept for its key. */
  readonly hasClientLeft: boolean;
  /** Whether the client has not read for long (`Client.hasHeldUp`). */
  readonly hasClientHeldUp: boolean;
  /** Whether any of the request was sent to the upstream. */
  readonly isSent: boolean;
  /** Whether the upstream sent the head of an answer. */
  readonly hasStatus: boolean;
  /** Whether a part of the answer's body may have reached the customer. */
  readonly isPassedOn: boolean;
  /** Whether the upstream has ended the exchange. */
  readonly brokeOff: boolean;
}

/** The ending of a call without an answer, from the error of its exchange. */
export function endingWithoutAnswer(error: unknown, course: Course): CallEnding {
  const broken = course.hasStatus ? 'upstream_broke_off' : 'upstream_unreachable';
  if (error instanceof BodyTooLarge) return broken;
  if (course.stopped === 'server_stops') return 'upstream_broke_off';
  const isByClient = course.stopped === 'client_left' || course.stopped === 'client_slow';
  if (isByClient || course.hasClientLeft) return 'client_left_before_answer';
  if (course.stopped === 'time_exceeded') return 'time_exceeded';
  return TIMEOUTS.has((error as { code?: string }).code ?? '') ? 'upstream_timeout' : broken;
}

/** The ending of a call whose answer began and was not delivered whole. */
export function endingMidway({ stopped, brokeOff, hasClientHeldUp }: Course): CallEnding {
  if (stopped === 'time_exceeded') return 'time_exceeded';
  if (stopped === 'server_stops') return 'upstream_broke_off';
  // A client that stops reading can make the upstream disconnect: that must not make the call free.
  return brokeOff && !hasClientHeldUp ? 'upstream_broke_off' : 'client_left_midway';
}

/** The customer pays as the route says, and nothing if the server's stop or silence ended the call. */
export function paysFor(ending: CallEnding, { settlement }: Route, course: Course): Pays {
  if (ending === 'delivered') return 'counted';
  if (course.stopped === 'server_stops') return 'free';
  if (ending === 'client_left_before_answer' && !course.isSent) return 'free';
  if (ending === 'time_exceeded' && !course.isPassedOn) return 'free';
  return settlement[ending];
}

/** Whether the idempotency key is free again, so that the next request with it is a new call. */
export function freesKey(ending: CallEnding, route: Route, course: Course): boolean {
  const isByCustomer = ENDING_FACTS[ending].by === 'customer' && course.isSent;
  return !isByCustomer && paysFor(ending, route, course) === 'free';
}

/** Undici's error codes for timeouts. */
const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);
