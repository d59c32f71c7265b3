import type { IncomingHttpHeaders } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { CustomerKeyRead } from '../ledger/reads.ts';
import { type Cost, costAfter } from '../pricing/cost.ts';
import { CountingFailed, type Ending } from '../pricing/price-book.ts';
import { type Counted, countEvents, keepJson } from './answers.ts';
import type { Cancel } from './cancel.ts';
import { Exchange, type UpstreamAnswer } from './exchange.ts';
import { answerHeaders, type Headers, isEventStream, upstreamHeaders } from './headers.ts';
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
  /** Those that may go on, see `requestHeaders`. */
  readonly headers: IncomingHttpHeaders;
  /** Null where there is none. */
  readonly body: Readable | null;
  readonly principal: CustomerKeyRead;
  readonly address: string;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
  /** The wire says with it that the client has left before it had the whole answer. */
  readonly cancel: Cancel;
  /** Whether it is the client that a call which takes too long has waited for. */
  readonly isClientSlow: () => boolean;
}

export type DeliveredExtent = 'whole' | 'in part' | 'not at all';

/** The answer for the customer. */
export interface CallAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer | Readable;
  /** What it has cost, or what is held for it; null: the ledger could not say in time. */
  readonly payment: Payment | null;
  /** The payment at the end of an answer that is counted as it streams; null: it is settled. */
  readonly settled: Promise<Payment | null> | null;
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
  /** Among the calls under way. */
  place = -1;
  readonly #purchase: Purchase;
  readonly #priced: PricedRoute;
  readonly #request: CallRequest;
  readonly #members: unknown;
  readonly #settlements: Settlements;
  readonly #onEnd: (end: CallEnd) => void;
  readonly #onDefect: (error: unknown) => void;
  #payment: Payment;
  #status: number | null = null;
  /** How the answer itself went, as far as it is known. */
  #ending: Ending | 'delivered' = 'delivered';
  /** What was counted; undefined: nothing yet. */
  #cost: Cost | undefined;
  #brokeOff = false;
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
    this.#timer = setTimeout(() => {
      const { cancel, isClientSlow } = parts.request;
      cancel.because(isClientSlow() ? 'client_slow' : 'upstream_slow');
    }, this.#priced.route.longestMs);
  }

  /** Ends the call because the server stops. */
  stop(): void {
    this.#request.cancel.because('server_stops');
  }

  /** Forwards the call. Rejects with NoAnswer or BodyTooLarge. */
  async forward(body: Buffer | Readable | null): Promise<CallAnswer> {
    const { upstream, isKnownBefore } = this.#priced;
    const { method, target, headers, principal, address, requestId } = this.#request;
    const { accountPublicId } = principal;
    const caller = { accountPublicId, address, requestId };
    if (this.#request.cancel.aborted) throw await this.#notForwarded();
    const exchange = new Exchange(this.#request.cancel, () => {
      // A client that leaves, or whose body becomes too large, ends the answer itself.
      const { isByClient } = this.#request.cancel;
      this.#brokeOff = !isByClient && !(body instanceof Readable && body.errored);
    });
    try {
      const answer = await exchange.ask(upstream.pool, {
        method: method as Dispatcher.HttpMethod,
        path: `${upstream.basePath}${target.path}${target.search}`,
        headers: upstreamHeaders(headers, caller, upstream.secret, {
          isCounted: !isKnownBefore,
          hasBody: body !== null,
        }),
        body,
      });
      return await this.#answered(answer);
    } catch (error) {
      this.#status = exchange.status;
      const broken = exchange.status === null ? 'upstream_unreachable' : 'upstream_broke_off';
      throw await this.#withoutAnswer(error, broken);
    }
  }

  /** A client that left while it paid gets its money back: the upstream was not asked. */
  async #notForwarded(): Promise<Error> {
    const ending = 'client_left_before_answer';
    this.#payment = await this.#settlements.giveBack(this.#purchase, this.#payment, ending);
    this.#end(ending);
    return new NoAnswer(ending, this.#payment, this.#request.cancel.reason);
  }

  /** Nothing of an answer has gone out, nor will. */
  async #withoutAnswer(error: unknown, broken: Ending): Promise<Error> {
    const ending = this.#failedBy(error, broken);
    await this.#settleWithin(ending);
    // Not before it is settled: the idempotency key would be free for a call that is then given back.
    void this.#settling.then(() => this.#end(ending)).catch(this.#onDefect);
    return error instanceof BodyTooLarge
      ? error
      : new NoAnswer(ending, this.#settledPayment, error);
  }

  #failedBy(error: unknown, broken: Ending): Ending {
    if (error instanceof BodyTooLarge) return broken;
    const { cancel, body } = this.#request;
    // A body that breaks off, or does not end, is a client that has left, too.
    if (cancel.isByClient || body?.errored) return 'client_left_before_answer';
    if (cancel.reason === 'upstream_slow') return 'upstream_timeout';
    return TIMEOUTS.has((error as { code?: string }).code ?? '') ? 'upstream_timeout' : broken;
  }

  /** What is to be settled before the answer goes out, is. */
  async #answered({ status, headers: sent, body }: UpstreamAnswer): Promise<CallAnswer> {
    this.#status = status;
    const headers = answerHeaders(sent);
    if (status >= 400) {
      this.#ending = status >= 500 ? 'upstream_5xx' : 'upstream_4xx';
      await this.#settleWithin(this.#ending);
      return this.#answer(headers, body);
    }
    if (!this.#payment.isHeld) return this.#answer(headers, body);
    if (WITHOUT_BODY.has(status)) {
      return this.#settledAs({ kind: 'countable', answer: undefined }, headers, body);
    }
    const isReadable = headers['content-encoding'] === undefined;
    if (isReadable && isEventStream(headers) && !Buffer.isBuffer(body)) {
      return this.#counting(headers, body);
    }
    if (!isReadable || !isJson(headers['content-type']?.toString())) {
      return this.#settledAs({ kind: 'answer_malformed' }, headers, body);
    }
    const { meteringBufferBytes } = this.#priced.route;
    const kept = await keepJson(body, announcedLength(sent), meteringBufferBytes);
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
    if (extent !== 'whole') this.#request.cancel.because('client_left');
    await this.#settleInTurn(ending);
    this.#end(ending);
  }

  #brokenOffBy(extent: DeliveredExtent): Ending {
    const { reason } = this.#request.cancel;
    const isOurs = reason === 'upstream_slow' || reason === 'server_stops';
    if (this.#brokeOff || isOurs) return 'upstream_broke_off';
    return extent === 'in part' ? 'client_left_midway' : 'client_left_before_answer';
  }

  get #settledPayment(): Payment | null {
    return this.#isSettled ? this.#payment : null;
  }

  #end(ending: Ending | 'delivered'): void {
    clearTimeout(this.#timer);
    this.#onEnd({ ending, status: this.#status, payment: this.#payment });
  }

  /** Settles, and waits for it only so long: an answer is not held up by a ledger that is away. */
  async #settleWithin(ending: Ending | 'delivered'): Promise<void> {
    this.#isSettled = false;
    const settled = this.#settleInTurn(ending).then(() => {
      this.#isSettled = true;
    });
    let timer: NodeJS.Timeout | undefined;
    const longest = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LONGEST_SETTLING_MS);
    });
    await Promise.race([settled, longest]);
    clearTimeout(timer);
  }

  /** One after the other: of two at once the later would not know what the earlier has done. */
  #settleInTurn(ending: Ending | 'delivered'): Promise<void> {
    this.#settling = this.#settling.then(() => this.#settle(ending));
    return this.#settling;
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

/** Answers of these statuses are empty, whatever their headers say: there is nothing to find in them. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 304]);

/** Undici's errors where something took too long. */
const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);
