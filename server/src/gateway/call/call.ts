import { finished, type Readable } from 'node:stream';
import type { Pays } from '../../pricing/book/price-book.ts';
import {
  type CallEnding,
  type Course,
  ENDING_FACTS,
  endingMidway,
  endingWithoutAnswer,
  freesKey,
  paysFor,
  type StopReason,
} from '../endings/endings.ts';
import type { Replay } from '../idempotency/idempotency.ts';
import { collect } from '../idempotency/kept-answer.ts';
import { type Payment, PaymentFailed } from '../payment/payment.ts';
import { receiptComment } from '../payment/receipt.ts';
import { answerHeaders, type Headers, isEventStream } from '../request/headers.ts';
import { BodyTooLarge, isJson } from '../request/request-body.ts';
import type { PricedRoute } from '../routes/route-table.ts';
import { AnswerStream } from '../upstream/answer-stream.ts';
import { type Counted, countedJson, EMPTY, EventMeter, WITHOUT_BODY } from '../upstream/answers.ts';
import { Exchange, type UpstreamAnswer } from '../upstream/exchange.ts';
import { type CallAnswer, NoAnswer, replayed } from './call-answer.ts';
import { CallKey } from './call-key.ts';
import { BodyNotReceived, type CallRequest, upstreamRequest } from './call-request.ts';
import type { CallEnd, CallState } from './call-state.ts';
import { type CheckoutParts, checkOut, type PaidCall } from './checkout.ts';
import { Settlement } from './settlement.ts';
import { within } from './within.ts';

export interface CallParts extends CheckoutParts {
  /** Runs once, when the call has ended. */
  readonly onEnded: () => void;
  /** Runs once, when the call is settled; null: it was never paid. */
  readonly onSettled: (end: CallEnd | null) => void;
  /** Runs if our own code fails. */
  readonly onDefect: (error: unknown) => void;
}

/** An answer waits this long for PostgreSQL. Then it goes out, and its settlement follows. */
const LONGEST_SETTLING_MS = 3_000;

/** One call, from its request to its settlement (`call-state.ts`). */
export class Call {
  /** Its index in `CallsUnderWay`. */
  place = -1;
  #state: CallState = 'received';
  readonly #parts: CallParts;
  readonly #priced: PricedRoute;
  readonly #request: CallRequest;
  #timer: NodeJS.Timeout;
  #settlement: Settlement | undefined;
  #key: CallKey;
  #exchange: Exchange | undefined;
  #stopped: StopReason | null = null;
  /** Ends the wait for the body. */
  #onStop: (reason: StopReason) => void = () => {};
  /** The ending, as far as it is known. */
  #ending: CallEnding = 'delivered';
  /** Whether a part of the answer may have reached the customer. */
  #wasAnswering = false;
  /** The answer while it is counted or kept as it streams; undefined: it is neither. */
  #stream: AnswerStream | undefined;
  /** Whether the whole stream has come and is settled. */
  #isThrough = false;
  #settled: Promise<void> = Promise.resolve();

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.#priced = parts.priced;
    this.#request = parts.request;
    this.#key = new CallKey(parts.keys, null, 0);
    this.#timer = setTimeout(() => {
      this.#stop(parts.request.client.isSlow ? 'client_slow' : 'time_exceeded');
    }, parts.priced.route.longestMs);
  }

  /** Carries the call out. Rejects with NoAnswer, or as `checkOut` does. */
  async answer(): Promise<CallAnswer> {
    this.#request.client.onClosed((isWhole) => this.#clientClosed(isWhole));
    let paid: PaidCall | Replay;
    try {
      paid = await checkOut(this.#parts, {
        onPriced: () => this.#enter('priced'),
        untilStopped: (work) => this.#untilStopped(work),
      });
    } catch (error) {
      this.#notPaid(error);
      throw error;
    }
    if ('answer' in paid) {
      this.#finish(null);
      return replayed(paid, this.#request);
    }
    this.#enter('paid');
    this.#key = new CallKey(this.#parts.keys, paid.claim, this.#priced.route.replayBytes);
    this.#settlement = new Settlement(this.#parts.payments, paid);
    return this.#forward(paid);
  }

  /** Ends the call because the server stops. Its customer pays nothing. */
  stop(): void {
    this.#stop('server_stops');
  }

  async #forward({ body }: PaidCall): Promise<CallAnswer> {
    const { upstream } = this.#priced;
    const exchange = new Exchange(() => upstream.connections.giveBack());
    this.#exchange = exchange;
    if (this.#stopped) exchange.abort(this.#stopError());
    try {
      this.#enter('sent');
      const asked = upstreamRequest(this.#priced, this.#request, body);
      const answer = await exchange.ask(upstream.pool, asked);
      return await this.#answered(exchange, answer);
    } catch (error) {
      if (error instanceof NoAnswer) throw error;
      throw await this.#noAnswer(error, endingWithoutAnswer(error, this.#course));
    }
  }

  /** Settles before sending, unless the cost is known only at the end of a stream. */
  async #answered(exchange: Exchange, { status, headers: sent, body }: UpstreamAnswer) {
    const { upstream, route } = this.#priced;
    if ((status === 401 || status === 403) && upstream.secret) {
      const error = new Error(`the upstream answered ${status} to the operator's secret`);
      exchange.abort(error);
      throw await this.#noAnswer(error, 'upstream_rejected_operator');
    }
    const headers = answerHeaders(sent);
    if (status >= 400) {
      this.#ending = status >= 500 ? 'upstream_5xx' : 'upstream_4xx';
      await this.#settleWithin();
      return this.#hand(status, headers, body);
    }
    const isReadable = headers['content-encoding'] === undefined;
    const isStream = isReadable && isEventStream(headers) && !Buffer.isBuffer(body);
    const { before, payment } = this.#running;
    if (!payment.isHeld && !(isStream && route.errorEvents.length > 0)) {
      return this.#hand(status, headers, body);
    }
    if (WITHOUT_BODY.has(status)) await this.#count(EMPTY);
    else if (isStream) return this.#hand(status, headers, body, new EventMeter(route, before));
    else if (isReadable && isJson(headers['content-type']?.toString())) {
      const { whole, body: collected } = await collect(body, route.meteringBufferBytes);
      await this.#count(whole ? countedJson(whole) : { kind: 'answer_too_large' });
      return this.#hand(status, headers, collected);
    } else await this.#count({ kind: 'answer_malformed' });
    return this.#hand(status, headers, body);
  }

  /** Gives the answer to the wire, and records it for the idempotency key. */
  async #hand(status: number, headers: Headers, body: Buffer | Readable, meter?: EventMeter) {
    // A free error frees the key: the next request with it is a new call.
    const isFreeAgain = this.#isFreeAgain(this.#ending);
    if (isFreeAgain) await within(this.#key.end(this.#running, true), LONGEST_SETTLING_MS);
    else this.#key.record();
    if (!Buffer.isBuffer(body) && body.errored) {
      // The upstream disconnected while the payment was settled.
      const broken = endingWithoutAnswer(body.errored, this.#course);
      throw await this.#noAnswer(body.errored, this.#hasFailed ? this.#ending : broken);
    }
    if (Buffer.isBuffer(body)) {
      this.#key.add(body);
      await this.#keep(status, headers);
      this.#answering();
      if (this.#request.client.hasLeft) this.#left();
      return this.#answer(status, headers, body, null);
    }
    // The upstream may have disconnected while the payment was settled.
    finished(body, { writable: false }, (error) => {
      if (error) this.#bodyFailed();
    });
    const withComment = this.#priced.route.receiptComment && isEventStream(headers);
    if (meter || this.#key.isRecording || withComment) {
      return this.#handStream(status, headers, body, { meter, withComment });
    }
    this.#answering();
    if (this.#request.client.hasLeft) this.#left();
    return this.#answer(status, headers, body, null);
  }

  /** Gives the wire a stream that is counted or recorded as it passes. */
  #handStream(
    status: number,
    headers: Headers,
    body: Readable,
    { meter, withComment }: { meter: EventMeter | undefined; withComment: boolean },
  ): CallAnswer {
    let onSettled: (payment: Payment | null) => void = () => {};
    const settled = new Promise<Payment | null>((resolve) => {
      onSettled = resolve;
    });
    body.once('error', () => onSettled(null));
    this.#stream = new AnswerStream(body, {
      onPiece: (piece) => {
        meter?.feed(piece);
        // Many clients disconnect at an error event, so the ending must be known at once.
        if (meter?.hasFailed) this.#ending = 'upstream_error_event';
        this.#key.add(piece);
        const isLost = this.#request.client.hasLeft && !this.#key.isRecording;
        if (isLost) this.#stop('client_left');
      },
      onEnd: async () => {
        // A price known in advance needs no count, unless the stream had an error event.
        const isCounted = this.#running.payment.isHeld || meter?.hasFailed;
        if (meter) await this.#count(isCounted ? meter.end() : EMPTY);
        await this.#keep(status, headers);
        const payment = this.#running.settled;
        onSettled(payment);
        this.#isThrough = true;
        if (this.#request.client.hasLeft) this.#end(this.#ending);
        return withComment && payment ? Buffer.from(receiptComment(payment)) : null;
      },
    });
    this.#answering();
    if (this.#request.client.hasLeft) this.#left();
    const { 'content-length': _, ...others } = headers;
    const isChanged = meter !== undefined || withComment;
    const sent = isChanged ? others : headers;
    return this.#answer(status, sent, this.#stream, meter ? settled : null);
  }

  #answer(
    status: number,
    headers: Headers,
    body: Buffer | Readable,
    settled: CallAnswer['settled'],
  ): CallAnswer {
    const payment = this.#running.settled;
    return { status, headers, body, payment, settled, isReplay: false };
  }

  async #keep(status: number, headers: Headers): Promise<void> {
    if (this.#isFreeAgain(this.#ending)) return;
    await within(this.#key.keep(this.#running, status, headers), LONGEST_SETTLING_MS);
  }

  /** The client's connection has closed; `isWhole` if it got the whole answer first. */
  #clientClosed(isWhole: boolean): void {
    if (this.#state === 'answering') {
      if (isWhole) this.#end(this.#ending);
      else this.#left();
    } else if (!isWhole && !(this.#state === 'sent' && this.#key.keeps)) {
      this.#stop('client_left');
    }
  }

  /** The client has disconnected. An answer to keep is read to its end; any other stops soon. */
  #left(): void {
    if (this.#stopped === null && this.#stream?.errored === null && !this.#isThrough) {
      this.#stream.detach(this.#key.isRecording ? null : () => this.#stop('client_left'));
      return;
    }
    const ending = this.#undelivered();
    this.#stop('client_left');
    this.#end(ending);
  }

  /** The upstream has disconnected, or the call was stopped: the client cannot get the whole answer. */
  #bodyFailed(): void {
    if (this.#state === 'answering') this.#end(this.#undelivered());
  }

  /** The ending of an answer that the client did not get whole. */
  #undelivered(): CallEnding {
    const isKnown = this.#isThrough || this.#key.isKept || this.#hasFailed;
    return isKnown ? this.#ending : endingMidway(this.#course);
  }

  /** Whether the answer itself says that the upstream failed. A disconnect does not change that. */
  get #hasFailed(): boolean {
    return ENDING_FACTS[this.#ending].by === 'upstream';
  }

  /** Ends a call of which the client got nothing, and makes the error for it. */
  async #noAnswer(error: unknown, ending: CallEnding): Promise<Error> {
    this.#end(ending);
    await within(this.#settled, LONGEST_SETTLING_MS);
    if (error instanceof BodyTooLarge) return error;
    return new NoAnswer(ending, this.#running.settled, error);
  }

  /** Ends a call that was not paid. A stopping server waits while a payment is given back. */
  #notPaid(error: unknown): void {
    this.#enter('ended');
    const undone = error instanceof PaymentFailed ? error.undone : null;
    void Promise.resolve(undone).then(() => this.#finish(null));
  }

  #stop(reason: StopReason): void {
    if (this.#stopped !== null || this.#hasEnded) return;
    const isAboutToAnswer = this.#state === 'sent' && this.#exchange?.isOver;
    if (isAboutToAnswer && reason !== 'client_left') {
      this.#timer = setTimeout(() => this.#stop(reason), LONGEST_SETTLING_MS);
      return;
    }
    this.#stopped = reason;
    this.#onStop(reason);
    this.#exchange?.abort(this.#stopError());
    // A client that reads nothing could otherwise keep its connection open for ever.
    if (this.#state === 'answering') this.#request.client.disconnect();
  }

  #untilStopped<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#onStop = (reason) => reject(new BodyNotReceived(reason));
      work.then(resolve, reject);
    });
  }

  #stopError(): Error {
    return new Error(`the call has ended: ${this.#stopped}`);
  }

  async #count(counted: Counted): Promise<void> {
    this.#ending = await this.#running.count(counted);
    await this.#settleWithin();
  }

  /** Settles, with a bound on the wait: an unreachable PostgreSQL must not hold an answer up. */
  #settleWithin(): Promise<void> {
    const paid = this.#running.pay(this.#paysFor(this.#ending), this.#ending);
    return within(paid, LONGEST_SETTLING_MS);
  }

  #end(ending: CallEnding): void {
    if (this.#hasEnded) return;
    this.#ending = ending;
    this.#enter('ended');
    this.#settled = this.#settle(ending);
  }

  /** Settles the call, then ends the claim on its idempotency key. */
  async #settle(ending: CallEnding): Promise<void> {
    const settlement = this.#running;
    try {
      await settlement.pay(this.#paysFor(ending), ending);
      await this.#key.end(settlement, this.#isFreeAgain(ending));
      const status = this.#exchange?.status ?? null;
      this.#finish({ ending, status, payment: settlement.payment });
    } catch (error) {
      this.#parts.onDefect(error);
      this.#finish(null);
    }
  }

  #isFreeAgain(ending: CallEnding): boolean {
    return freesKey(ending, this.#priced.route, this.#course);
  }

  #paysFor(ending: CallEnding): Pays {
    return paysFor(ending, this.#priced.route, this.#course);
  }

  get #course(): Course {
    const { client, body } = this.#request;
    const exchange = this.#exchange;
    return {
      stopped: this.#stopped,
      hasClientLeft: !this.#key.keeps && (client.hasLeft || body?.errored != null),
      hasClientHeldUp: client.hasHeldUp,
      isSent: exchange?.isSent ?? false,
      hasStatus: exchange?.status != null,
      isPassedOn: this.#wasAnswering && exchange?.hasBody === true,
      brokeOff: exchange?.brokeOff ?? false,
    };
  }

  get #running(): Settlement {
    if (!this.#settlement) throw new Error('bug: a call was settled before it was paid');
    return this.#settlement;
  }

  get #hasEnded(): boolean {
    return this.#state === 'ended' || this.#state === 'settled';
  }

  #answering(): void {
    this.#wasAnswering = true;
    this.#enter('answering');
  }

  #enter(state: CallState): void {
    this.#state = state;
    if (state !== 'ended') return;
    clearTimeout(this.#timer);
    this.#parts.onEnded();
  }

  #finish(end: CallEnd | null): void {
    if (!this.#hasEnded) this.#enter('ended');
    this.#enter('settled');
    this.#parts.onSettled(end);
  }
}
