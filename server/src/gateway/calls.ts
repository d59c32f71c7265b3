import type { IncomingHttpHeaders } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { CustomerKeyRead } from '../ledger/reads.ts';
import { type Cost, costAfter } from '../pricing/cost.ts';
import { CountingFailed, type Ending } from '../pricing/price-book.ts';
import { type Counted, countEvents, keepJson } from './answers.ts';
import { answerHeaders, type Headers, upstreamHeaders } from './headers.ts';
import { announcedLength, BodyTooLarge, isJson } from './request-body.ts';
import type { PricedRoute } from './route-table.ts';
import type { Payment, Purchase, Settlements } from './settlement.ts';
import type { Target } from './targets.ts';

/**
 * One call, from the moment it is paid or held: forward, stream the answer back, count it, and settle
 * by the way it ended.
 */

/** What the wire hands over of a request. */
export interface CallRequest {
  readonly method: string;
  readonly target: Target;
  readonly headers: IncomingHttpHeaders;
  /** Null where there is none. */
  readonly body: Readable | null;
  readonly principal: CustomerKeyRead;
  /** The secret that the customer sent, and its SHA-256 in hex. */
  readonly key: string;
  readonly keySecret: string;
  readonly address: string;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
  /** Aborts when the client has left before it had the whole answer. */
  readonly gone: AbortSignal;
  /** Whether the client has not sent all of its body, or takes the answer slower than it comes. */
  readonly isSlow: () => boolean;
}

export type DeliveredExtent = 'whole' | 'in part' | 'not at all';

/** The answer for the customer. */
export interface CallAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer | Readable | null;
  /** What it has cost, or what is held for it; null: the ledger could not say in time. */
  readonly payment: Payment | null;
  /** The payment at the end of an answer that is counted as it streams; null: it is settled. */
  readonly settled: Promise<Payment | null> | null;
  /** Aborts when the call has taken too long, or the server stops: then no more of the answer may go out. */
  readonly over: AbortSignal;
  /** Says how much of the answer the customer got. Call it once. */
  readonly delivered: (extent: DeliveredExtent) => void;
}

/** The upstream gave no answer; what the call cost has been settled. */
export class NoAnswer extends Error {
  readonly ending: Ending;
  readonly payment: Payment | null;

  constructor(ending: Ending, payment: Payment | null, cause: unknown) {
    super(ending, { cause });
    this.name = 'NoAnswer';
    this.ending = ending;
    this.payment = payment;
  }
}

/** How a call ended. */
export interface CallEnd {
  readonly ending: Ending | 'delivered';
  readonly status: number | null;
  readonly payment: Payment;
}

/** How long an answer waits for the ledger; then it goes out, and is settled behind it. */
const LONGEST_SETTLING_MS = 3_000;

export class Call {
  readonly #purchase: Purchase;
  readonly #priced: PricedRoute;
  readonly #request: CallRequest;
  readonly #members: unknown;
  readonly #settlements: Settlements;
  readonly #onEnd: (end: CallEnd) => void;
  readonly #onDefect: (error: unknown) => void;
  readonly #abort = new AbortController();
  #payment: Payment;
  #status: number | null = null;
  /** How the answer itself went, as far as it is known. */
  #ending: Ending | 'delivered' = 'delivered';
  /** What was counted; undefined: nothing yet. */
  #cost: Cost | undefined;
  #brokeOff = false;
  /** Who was slow, where the call took longer than the route lets it. */
  #overdue: 'by the client' | 'by the upstream' | undefined;
  #settling: Promise<void> = Promise.resolve();
  #isSettled = true;
  #timer: NodeJS.Timeout;

  constructor(parts: {
    purchase: Purchase;
    payment: Payment;
    request: CallRequest;
    /** The members of the request, as prices see them. */
    members: unknown;
    settlements: Settlements;
    /** Called once, when everything is settled. */
    onEnd: (end: CallEnd) => void;
    /** Told of what should not be. */
    onDefect: (error: unknown) => void;
  }) {
    this.#purchase = parts.purchase;
    this.#priced = parts.purchase.priced;
    this.#payment = parts.payment;
    this.#request = parts.request;
    this.#members = parts.members;
    this.#settlements = parts.settlements;
    this.#onEnd = parts.onEnd;
    this.#onDefect = parts.onDefect;
    parts.request.gone.addEventListener('abort', this.abort, { once: true });
    this.#timer = setTimeout(() => {
      this.#overdue = parts.request.isSlow() ? 'by the client' : 'by the upstream';
      this.abort();
    }, this.#priced.route.longestMs);
  }

  /** Ends the request to the upstream at once, and the answer to the client. */
  readonly abort = (): void => this.#abort.abort();

  /** Forwards the call. Rejects with NoAnswer or BodyTooLarge. */
  async forward(body: Buffer | Readable | null): Promise<CallAnswer> {
    const { upstream, isKnownBefore } = this.#priced;
    const { method, target, headers, key, principal, address, requestId } = this.#request;
    const { accountPublicId } = principal;
    const caller = { key, accountPublicId, address, requestId };
    let answer: Dispatcher.ResponseData;
    try {
      answer = await upstream.pool.request({
        method: method as Dispatcher.HttpMethod,
        path: `${upstream.basePath}${target.path}${target.search}`,
        headers: upstreamHeaders(headers, caller, upstream.secret, {
          isCounted: !isKnownBefore,
          hasBody: body !== null,
        }),
        body,
        signal: this.#abort.signal,
      });
    } catch (error) {
      throw await this.#withoutAnswer(error, 'upstream_unreachable');
    }
    this.#status = answer.statusCode;
    answer.body.once('error', () => {
      // A client that leaves, or whose body becomes too large, ends the answer itself.
      this.#brokeOff = !(this.#request.gone.aborted || (body instanceof Readable && body.errored));
    });
    try {
      return await this.#answered(answer);
    } catch (error) {
      throw await this.#withoutAnswer(error, 'upstream_broke_off');
    }
  }

  /** Nothing of an answer has gone out, nor will. */
  async #withoutAnswer(error: unknown, broken: Ending): Promise<Error> {
    const isTimeout =
      this.#overdue === 'by the upstream' || TIMEOUTS.has((error as { code?: string }).code ?? '');
    const { gone, body } = this.#request;
    let ending = isTimeout ? 'upstream_timeout' : broken;
    // A body that breaks off, or does not end, is a client that has left, too.
    const hasLeft = gone.aborted || body?.errored || this.#overdue === 'by the client';
    if (hasLeft) ending = 'client_left_before_answer';
    if (error instanceof BodyTooLarge) ending = broken;
    await this.#settleWithin(ending);
    // Not before it is settled: the idempotency key would be free for a call that is then given back.
    void this.#settling.then(() => this.#end(ending)).catch(this.#onDefect);
    if (error instanceof BodyTooLarge) return error;
    return new NoAnswer(ending, this.#settledPayment, error);
  }

  async #answered(answer: Dispatcher.ResponseData): Promise<CallAnswer> {
    const { statusCode: status, body } = answer;
    const headers = answerHeaders(answer.headers);
    if (status >= 400) {
      this.#ending = status >= 500 ? 'upstream_5xx' : 'upstream_4xx';
      await this.#settleWithin(this.#ending);
      return this.#answer(headers, body);
    }
    if (!this.#payment.isHeld) return this.#answer(headers, body);
    const type = headers['content-type']?.toString();
    const hasNoBody = status === 204 || status === 304;
    if (hasNoBody || headers['content-encoding'] !== undefined) {
      return this.#settledAs({ kind: 'answer_malformed' }, headers, body);
    }
    if (type !== undefined && /^text\/event-stream\b/i.test(type)) {
      return this.#counting(headers, body);
    }
    if (!isJson(type)) return this.#settledAs({ kind: 'answer_malformed' }, headers, body);
    const { meteringBufferBytes } = this.#priced.route;
    const kept = await keepJson(body, announcedLength(answer.headers), meteringBufferBytes);
    return this.#settledAs(kept.counted, headers, kept.body);
  }

  /** An answer whose cost is settled before it goes out. */
  async #settledAs(counted: Counted, headers: Headers, body: Buffer | Readable) {
    this.#ending = await this.#count(counted);
    await this.#settleWithin(this.#ending);
    return this.#answer(headers, body);
  }

  /** An answer that is counted as it streams, and settled at its end. */
  #counting(headers: Headers, body: Readable): CallAnswer {
    const { countEventWith, meteringBufferBytes } = this.#priced.route;
    let onSettled: (payment: Payment | null) => void = () => {};
    const settled = new Promise<Payment | null>((resolve) => {
      onSettled = resolve;
    });
    const counting = countEvents(countEventWith, meteringBufferBytes, async (counted) => {
      this.#ending = await this.#count(counted);
      await this.#settleWithin(this.#ending);
      onSettled(this.#settledPayment);
    });
    pipeline(body, counting, () => onSettled(null));
    const { 'content-length': _, ...rest } = headers;
    return this.#answer(rest, counting, settled);
  }

  #answer(
    headers: Headers,
    body: Buffer | Readable,
    settled: CallAnswer['settled'] = null,
  ): CallAnswer {
    return {
      status: this.#status ?? 0,
      headers,
      body,
      payment: this.#settledPayment,
      settled,
      over: this.#abort.signal,
      delivered: (extent) => void this.#delivered(extent).catch(this.#onDefect),
    };
  }

  async #count(counted: Counted): Promise<Ending | 'delivered'> {
    if (counted.kind !== 'countable') return counted.kind;
    const { priced, before } = this.#purchase;
    try {
      const { answer } = counted;
      const { cost, isAboveMaximum } = await costAfter(priced.route, this.#members, answer, before);
      const { settlement } = priced.route;
      this.#cost = isAboveMaximum && settlement.above_maximum === 'maximum' ? before.maximum : cost;
      return isAboveMaximum ? 'above_maximum' : 'delivered';
    } catch (error) {
      if (error instanceof CountingFailed) return 'answer_malformed';
      throw error;
    }
  }

  /** The answer has gone out, or will not any more. */
  async #delivered(extent: DeliveredExtent): Promise<void> {
    const isError = this.#ending === 'upstream_4xx' || this.#ending === 'upstream_5xx';
    const ending = extent === 'whole' || isError ? this.#ending : this.#brokenOffBy(extent);
    this.abort();
    await this.#settling;
    await this.#settle(ending);
    this.#end(ending);
  }

  #brokenOffBy(extent: DeliveredExtent): Ending {
    const isClients = !this.#brokeOff || this.#overdue === 'by the client';
    if (!isClients) return 'upstream_broke_off';
    return extent === 'in part' ? 'client_left_midway' : 'client_left_before_answer';
  }

  get #settledPayment(): Payment | null {
    return this.#isSettled ? this.#payment : null;
  }

  #end(ending: Ending | 'delivered'): void {
    clearTimeout(this.#timer);
    this.#request.gone.removeEventListener('abort', this.abort);
    this.#onEnd({ ending, status: this.#status, payment: this.#payment });
  }

  /** Settles, and waits for it only so long: an answer is not held up by a ledger that is away. */
  async #settleWithin(ending: Ending | 'delivered'): Promise<void> {
    this.#isSettled = false;
    this.#settling = this.#settle(ending).then(() => {
      this.#isSettled = true;
    });
    let timer: NodeJS.Timeout | undefined;
    const longest = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LONGEST_SETTLING_MS);
    });
    await Promise.race([this.#settling, longest]);
    clearTimeout(timer);
  }

  /** Brings what was paid to what the ending costs. To settle once more only ever gives back. */
  async #settle(ending: Ending | 'delivered'): Promise<void> {
    const { before } = this.#purchase;
    const pays = ending === 'delivered' ? 'counted' : this.#priced.route.settlement[ending];
    if (pays === 'free') {
      this.#payment = await this.#settlements.giveBack(this.#purchase, this.#payment, ending);
    } else if (this.#payment.isHeld) {
      const uncounted = pays === 'maximum' ? before.maximum : before.counted;
      const cost = this.#cost ?? uncounted;
      this.#payment = await this.#settlements.capture(this.#purchase, this.#payment, cost);
    }
  }
}

/** Undici's errors where something took too long. */
const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);
