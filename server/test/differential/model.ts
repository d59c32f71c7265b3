import { type Account, Book, type Operation, spendable, type Told, type UsedKey } from './book.ts';
import { bodyOf, type Call, isEvents, passesBodyOn, type Request, textOf, urlOf } from './calls.ts';
import { cheapest, costOf, type Ending, inCents, mostOf, type Pays, type Route } from './routes.ts';

/**
 * The model of one call, as docs/gateway.md and docs/price-book.md promise it. Each possible way
 * has its payment, the customer's view and the state of the idempotency key. The model knows
 * nothing of the gateway's code. Amounts are microcents.
 *
 * Only a race has more than one possible way. A client disconnects, or a timeout fires, while the
 * request or the answer is on its way.
 */

// --- outcomes --------------------------------------------------------------------------------------

/** One possible outcome of a call. */
export interface Outcome {
  /** The ending of the call; null: the call was never paid. */
  readonly ending: Ending | null;
  /** The status of the upstream's answer; null: no answer began; `either`: both are possible. */
  readonly status: number | null | 'either';
  readonly isForwarded: boolean;
  readonly operations: readonly Operation[];
  /** The state of the idempotency key after the call; null: it is free; undefined: unchanged. */
  readonly key: UsedKey | null | undefined;
  /** The view of a client that stays. A client that disconnects sees the beginning of it. */
  readonly seen: Seen;
}

export interface Seen {
  readonly status: number;
  /** The members of the gateway's own error; null: the upstream answers. */
  readonly error: Readonly<Record<string, string>> | null;
  /** The upstream's answer; null: the gateway answers. */
  readonly answer: { readonly id: string; readonly body: string } | null;
  /** Whether the body comes whole. */
  readonly isWhole: boolean;
  readonly isReplay: boolean;
  /** The payment as the headers state it; `held`: they name the hold. */
  readonly head: Told | 'held' | null;
  readonly end: Told | null;
  /** Whether a comment at the end of the stream states it too. */
  readonly hasComment: boolean;
}

export function outcomesOf(account: Account, call: Call): readonly Outcome[] {
  const unpaid = withoutPayment(account, call);
  if (unpaid) return [unpaid];
  const paid = waysOf(call).map((way) => outcomeOf(account, call, way));
  if (call.leaves === 'at once' || call.leaves === 'before its body') return [unseen(), ...paid];
  const mayBeLate = call.request.route.isShort && call.request.method === 'POST';
  return mayBeLate ? [...paid, refusal(408, { code: 'request_timeout' })] : paid;
}

// --- unpaid calls ----------------------------------------------------------------------------------

/** The outcome of a replay, a refusal or an incomplete request; null: the call is paid. */
function withoutPayment(account: Account, call: Call): Outcome | null {
  const { request, leaves } = call;
  const { route, key, members } = request;
  // An account without credit gets only the answers that it has paid for.
  const isPoor = spendable(account) < cheapest(route);
  const poor = refusal(402, shortOf(account, cheapest(route)));
  if (isPoor && key === null) return poor;
  if (leaves === 'never, with half a body') return refusal(408, { code: 'request_timeout' });
  const isCut = leaves === 'before its body' || leaves === 'in its body';
  if (isCut && !passesBodyOn(request)) return unseen();
  const used = key === null ? undefined : account.keys.get(key);
  if (used && used.request !== fingerprint(request)) {
    return refusal(422, { code: 'idempotency_key_reused' });
  }
  if (used?.answer) return replay(account, used, used.answer);
  if (used) {
    const charge = used.charge === null ? {} : { charge: String(used.charge) };
    return refusal(409, { code: 'already_answered', ...charge });
  }
  if (isPoor) return poor;
  if (route.byEffort && !((members.effort ?? 'low') in route.byEffort)) {
    return refusal(422, { code: 'request_not_priced' });
  }
  const most = mostOf(route, members).amount;
  return spendable(account) < most ? refusal(402, shortOf(account, most)) : null;
}

/** The outcome of another request with a key whose call is under way. */
export function probed(probe: 'same' | 'other'): Outcome {
  return probe === 'other'
    ? refusal(422, { code: 'idempotency_key_reused' })
    : refusal(409, { code: 'in_progress' });
}

/** Requests are the same if method, path, query, body and `Accept` are. HEAD counts as GET. */
function fingerprint(request: Request): string {
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  return [method, urlOf(request), bodyOf(request), request.accept].join('\n');
}

function shortOf(account: Account, required: bigint): Readonly<Record<string, string>> {
  const available = spendable(account);
  return {
    code: 'insufficient_credits',
    available: inCents(available < 0n ? 0n : available),
    required: inCents(required),
    shortfall: inCents(required - available),
  };
}

const UNPAID = { ending: null, isForwarded: false, operations: [], key: undefined } as const;
const NOTHING = { isReplay: false, head: null, end: null, hasComment: false } as const;

function refusal(status: number, error: Readonly<Record<string, string>>): Outcome {
  const seen = { ...NOTHING, status, error, answer: null, isWhole: true };
  return { ...UNPAID, status: null, seen };
}

/** The client is gone and sees no answer. */
const unseen = (): Outcome => refusal(0, {});

function replay(
  account: Account,
  { charge }: UsedKey,
  { status, ...answer }: NonNullable<UsedKey['answer']>,
): Outcome {
  const head = { charged: 0n, remaining: account.posted, charge };
  const seen = { ...NOTHING, status, error: null, answer, isWhole: true, isReplay: true, head };
  return { ...UNPAID, status: null, seen };
}

// --- payment ---------------------------------------------------------------------------------------

/** The customer's payment for each ending, if the route has no other settlement. */
export const BY_DEFAULT: Readonly<Record<Ending, Pays>> = {
  delivered: 'counted',
  upstream_unreachable: 'free',
  upstream_timeout: 'free',
  upstream_4xx: 'free',
  upstream_5xx: 'free',
  upstream_broke_off: 'free',
  upstream_rejected_operator: 'free',
  upstream_error_event: 'free',
  time_exceeded: 'maximum',
  answer_malformed: 'maximum',
  answer_too_large: 'maximum',
  above_maximum: 'counted',
  client_left_before_answer: 'maximum',
  client_left_midway: 'maximum',
};

/** The endings that a customer can cause: they use the key, even if they cost nothing. */
const BY_CUSTOMER: readonly Ending[] = [
  'delivered',
  'answer_malformed',
  'answer_too_large',
  'above_maximum',
  'client_left_before_answer',
  'client_left_midway',
];

function paysFor({ route }: Request, { ending, isSent, isPassedOn }: Way): Pays {
  if (ending === 'client_left_before_answer' && !isSent) return 'free';
  if (ending === 'time_exceeded' && !isPassedOn) return 'free';
  return route.settlement[ending] ?? BY_DEFAULT[ending];
}

// --- ways ------------------------------------------------------------------------------------------

/** One possible course of a call after its payment. */
interface Way {
  readonly ending: Ending;
  /** Whether anything was sent to the upstream. */
  readonly isSent: boolean;
  /** The status of the upstream's answer; null: no answer began; `either`: both are possible. */
  readonly status: number | null | 'either';
  /** Whether the client gets the upstream's answer, and not the gateway's own. */
  readonly isPassedOn: boolean;
  readonly isWhole: boolean;
  /** The ending for which the call was settled early, because the whole answer was known. */
  readonly settledFor: Ending | null;
}

/** A way in which the gateway answers itself. */
const own = (ending: Ending, status: Way['status'] = null): Way => ({
  ending,
  status,
  isSent: true,
  isPassedOn: false,
  isWhole: true,
  settledFor: null,
});

/** The way of a call whose client stays. */
function withClient(call: Call): Way {
  const { answer, request } = call;
  const { route } = request;
  const { does, status, end } = answer;
  if (route.upstream === 'closed') return own('upstream_unreachable');
  if (does === 'keeps silent') return own(route.isShort ? 'time_exceeded' : 'upstream_timeout');
  if (does !== 'answers' || status > 599) return own('upstream_unreachable');
  const isWhole = end === 'whole';
  const failure = end === 'hangs' && route.isShort ? 'time_exceeded' : 'upstream_broke_off';
  if (!isWhole && goesOutWhole(call)) {
    const isTimeout = end === 'hangs' && !route.isShort;
    return own(isTimeout ? 'upstream_timeout' : failure, status);
  }
  const isRefused = status === 401 || status === 403;
  if (isRefused && route.upstream === 'secret') return own('upstream_rejected_operator', status);
  const passed = { status, isSent: true, isPassedOn: true, isWhole };
  if (status >= 400) {
    const ending = status >= 500 ? 'upstream_5xx' : 'upstream_4xx';
    return { ...passed, ending, settledFor: ending };
  }
  const counted = countedIn(call);
  const ending = isWhole || hasEarlyError(call) ? counted : failure;
  const isCounted = route.counts && (isWhole || !isEvents(answer));
  return { ...passed, ending, settledFor: isCounted ? counted : null };
}

/** Whether the gateway reads an answer whole first: it is small, or JSON in which it counts. */
export function goesOutWhole(call: Pick<Call, 'id' | 'answer' | 'request'>): boolean {
  const { answer, request } = call;
  const isSmall = !isEvents(answer) && !answer.isChunked && textOf(call).length <= 65_536;
  const isJson = ['json', 'malformed', 'uncounted'].includes(answer.form);
  return isSmall || (isJson && request.route.counts !== undefined && answer.status < 300);
}

/** Whether the first part of a stream has an error event. */
function hasEarlyError({ answer, request }: Call): boolean {
  return request.route.reportsErrors && answer.form === 'events with an early error';
}

/** The ending of a whole answer. */
function countedIn(call: Call): Ending {
  const { route, members } = call.request;
  const { form, status, count } = call.answer;
  if (status === 204) return 'delivered';
  const hasError = hasEarlyError(call) || (route.reportsErrors && form === 'events with an error');
  if (hasError) return 'upstream_error_event';
  if (!route.counts) return 'delivered';
  if (form === 'text' || form === 'encoded') return 'answer_malformed';
  if (textOf(call).length > route.meteringBytes) return 'answer_too_large';
  const isMalformed = ['malformed', 'uncounted', 'events uncounted'].includes(form);
  if (isMalformed) return 'answer_malformed';
  const isAbove = costOf(route, members, count).amount > mostOf(route, members).amount;
  return isAbove ? 'above_maximum' : 'delivered';
}

/** The possible ways of a call with its client. */
function waysOf(call: Call): readonly Way[] {
  const { request, answer, leaves } = call;
  const { route, key } = request;
  const stays = withClient(call);
  const early = own('client_left_before_answer', 'either');
  const unsent = { ...early, isSent: false };
  // A disconnect changes neither an error nor a cost that is already settled.
  const isFixed = !stays.isPassedOn || answer.status >= 400;
  const left = { ...stays, ending: 'client_left_midway', isWhole: false } as const;
  const cut = isFixed ? [stays] : [isEvents(answer) ? { ...left, settledFor: null } : left];
  const late = isFixed ? [stays] : [stays, left, ...cut];
  // With a key, the gateway reads the answer to its end for the next attempt, if it can be kept.
  const isReadOn = key !== null && route.replayBytes > 0;
  const read = isKeepable(route, textOf(call)) ? [stays] : late;
  const times = [...timesOf(route), ...brokenBefore(stays)];
  // The timeout of an answer that hangs may fire before its client disconnects.
  const hung = answer.end === 'hangs' ? [stays] : [];
  switch (leaves) {
    case 'never':
    case 'never, with half a body':
      return [stays, ...times];
    case 'before its body':
      return [unsent];
    case 'in its body':
      return [early];
    case 'at once':
      if (isReadOn) return [unsent, ...read, ...times];
      return [unsent, ...(route.upstream === 'closed' ? [stays] : [early]), ...times];
    case 'before the answer':
      return [...(isReadOn ? read : [early]), ...times];
    case 'midway':
      if (hasEarlyError(call)) return [stays];
      return [...(isReadOn ? read : cut), ...times, ...hung];
    case 'at the answer':
      if (isReadOn) return [...read, ...times];
      return [early, { ...early, settledFor: stays.settledFor }, ...late, ...times];
    case 'after the last byte':
      return [...(isReadOn ? read : late), ...times];
  }
}

const isKeepable = ({ replayBytes }: Route, body: string): boolean =>
  replayBytes > 0 && body.length <= replayBytes;

/** The further ways of a route with short timeouts: one may fire before the answer. */
function timesOf({ isShort, upstream }: Route): readonly Way[] {
  if (isShort) return [own('time_exceeded', 'either')];
  return upstream === 'hasty' ? [own('upstream_timeout', 'either')] : [];
}

/** The further way of an answer that is settled before it goes out: it may break in between. */
function brokenBefore({ settledFor, status, ending, isWhole }: Way): readonly Way[] {
  const isBroken = settledFor !== null && !isWhole && ending !== 'time_exceeded';
  const isError = settledFor === ending;
  return isBroken ? [{ ...own(isError ? ending : 'upstream_broke_off', status), settledFor }] : [];
}

// --- the outcome of a way --------------------------------------------------------------------------

function outcomeOf(account: Account, call: Call, way: Way): Outcome {
  const { request, answer } = call;
  const { route, key } = request;
  const { ending, isSent, isPassedOn, isWhole, settledFor } = way;
  const book = new Book(account, call);
  if (settledFor) book.settle(settledFor, paysFor(request, { ...way, ending: settledFor }));
  const before = book.told();
  const pays = paysFor(request, way);
  book.settle(ending, pays);
  const after = book.told();

  const body = textOf(call);
  const isFreeAgain = pays === 'free' && !(BY_CUSTOMER.includes(ending) && isSent);
  const isKept = isPassedOn && answer.end === 'whole' && isKeepable(route, body);
  const kept = isKept ? { status: answer.status, id: call.id, body } : null;
  const used = { request: fingerprint(request), charge: after.charge, answer: kept };
  const isTimeout = ending === 'time_exceeded' || ending === 'upstream_timeout';
  const error = { code: isTimeout ? 'upstream_timeout' : 'upstream_failed' };
  const noAnswer = { ...NOTHING, status: isTimeout ? 504 : 502, error, answer: null, head: after };
  const isHeld = route.counts !== undefined && isEvents(answer);
  const isToldLast = isHeld || (route.reportsErrors && isEvents(answer));
  const passed: Seen = {
    ...NOTHING,
    status: answer.status,
    error: null,
    answer: { id: call.id, body },
    isWhole,
    head: isHeld ? 'held' : before,
    end: isToldLast ? after : null,
    hasComment: route.hasComment && isEvents(answer),
  };
  return {
    ending,
    status: way.status,
    isForwarded: isSent && route.upstream !== 'closed',
    operations: book.operations,
    key: key === null ? undefined : isFreeAgain ? null : used,
    seen: isPassedOn ? passed : { ...noAnswer, isWhole: true },
  };
}
