import { hash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Database } from '../db/database.ts';
import { foresee } from '../ledger/current.ts';
import { digestOf } from '../ledger/digest.ts';
import { accountIdOf } from '../ledger/ids.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Digest, Outcome } from '../ledger/operations.ts';
import type { CustomerKeyRead } from '../ledger/reads.ts';
import type { CostBefore } from '../pricing/cost.ts';
import {
  type CallClaim,
  type ClaimOutcome,
  claimCall,
  endClaim,
  NotClaimed,
  releaseClaim,
  renewPayment,
} from './call-claims.ts';
import { CallEndings } from './call-endings.ts';
import { Call, type CallAnswer, type CallEnd, type CallRequest, NoAnswer } from './calls.ts';
import { CallsUnderWay } from './calls-under-way.ts';
import type { Cancel } from './cancel.ts';
import { LogPace } from './log-pace.ts';
import { membersOf } from './members.ts';
import { PriceBookWatch } from './price-books.ts';
import { type Rate, RateLimits } from './rate-limits.ts';
import { announcedLength, BodyTooLarge, boundedBody, readBody } from './request-body.ts';
import { costOf, type PricedRoute, RouteTable } from './route-table.ts';
import {
  chargeOf,
  longestOf,
  type Payment,
  PaymentFailed,
  type Purchase,
  Settlements,
} from './settlement.ts';
import { Upstreams } from './upstreams.ts';

/** How long calls that are under way may go on when the server stops. */
const LONGEST_STOP_MS = 5_000;

/** What the gateway counts. */
export interface GatewayObserver {
  /** A call ended. `route` is its name in the price book. */
  callEnded(route: string, ending: string): void;
}

export interface GatewayParts {
  readonly database: Database;
  readonly ledger: Pick<Ledger, 'submit'>;
  readonly log: {
    warn(details: object, message: string): void;
    error(details: object, message: string): void;
    info(details: object, message: string): void;
  };
  readonly observer: GatewayObserver;
  /** The value of an environment variable that a price book names. */
  readonly secretOf: (variable: string) => string | undefined;
}

/** What a call would cost, and what would become of it now. */
export interface Quote {
  readonly priced: PricedRoute;
  readonly before: CostBefore;
  readonly outcome: Outcome;
}

/** Priced routes in front of other APIs: price, charge or hold, forward, count, settle. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #upstreams = new Upstreams();
  readonly #rates = new RateLimits();
  readonly #settlements: Settlements;
  readonly #endings: CallEndings;
  readonly #watch: PriceBookWatch;
  readonly #calls = new CallsUnderWay();
  #table: RouteTable | undefined;
  /** By route and ending. */
  readonly #logPace = new LogPace();
  #onIdle: () => void = () => {};
  #cut: NodeJS.Timeout | undefined;
  /** What has not begun by then does not begin. */
  #isCut = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#settlements = new Settlements(parts);
    this.#endings = new CallEndings(parts.database, parts.log);
    this.#watch = new PriceBookWatch(parts.database, parts.log, (version, book) => {
      const upstreams = this.#upstreams.use(book.upstreams, parts.secretOf);
      this.#table = new RouteTable(version, book, upstreams);
      parts.log.info({ version: version.version }, 'the price book is in effect');
    });
  }

  /** Takes up the price book in effect. Rejects with OperatorError where it cannot be used. */
  start(): Promise<void> {
    return this.#watch.look();
  }

  /** The priced route of a request; undefined where there is none. */
  match(method: string, path: string): PricedRoute | undefined {
    return this.#table?.match(method, path);
  }

  /** The methods that are sold at a path, with HEAD for GET; empty: nothing is. */
  methodsAt(path: string): string[] {
    return this.#table?.methodsAt(path) ?? [];
  }

  /** Counts a request towards its rate limit; null: the route has none. */
  rate({ route }: PricedRoute, apiKeyId: string): Rate | null {
    return route.rateLimit && this.#rates.take(apiKeyId, route.name, route.rateLimit);
  }

  /**
   * Carries out a call whose key is valid and has the scope. Rejects with BodyTooLarge, BodyNotJson,
   * RequestNotPriced, NotClaimed, PaymentRefused, PaymentFailed or NoAnswer.
   */
  async call(priced: PricedRoute, request: CallRequest): Promise<CallAnswer> {
    const { upstream } = priced;
    // A new price book must not close the connections before the call that is paid has ended.
    upstream.callBegan();
    let ready: Ready;
    try {
      ready = await this.#prepare(priced, request);
    } catch (error) {
      upstream.callEnded();
      throw error;
    }
    return this.#forward(ready, request);
  }

  /** Reads what the price depends on, and pays. */
  async #prepare(priced: PricedRoute, request: CallRequest): Promise<Ready> {
    const { largestBodyBytes } = priced.route;
    const isKept = request.idempotencyKey !== undefined || priced.needsRequest;
    if ((announcedLength(request.headers) ?? 0) > largestBodyBytes) {
      throw new BodyTooLarge(largestBodyBytes);
    }
    const { body: sent } = request;
    const whole = sent && isKept ? await readBody(sent, largestBodyBytes) : null;
    const body = sent && !isKept ? boundedBody(sent, largestBodyBytes) : whole;
    const members = priced.needsRequest ? membersIn(priced, request, whole) : {};
    const before = await costOf(priced, members);
    if (this.#isCut) throw new PaymentFailed('stopping', null);
    const paid = await this.#pay(priced, request, before, whole);
    return { members, body, ...paid };
  }

  /**
   * What a call would cost, and whether it would pass now: nothing is changed. Rejects with
   * RequestNotPriced. Undefined where there is no such route.
   */
  async quote(
    principal: CustomerKeyRead,
    routeName: string,
    members: Readonly<Record<string, unknown>>,
  ): Promise<Quote | undefined> {
    const priced = this.#table?.named(routeName);
    if (!priced) return undefined;
    const before = await costOf(priced, members);
    const unused = newDigest();
    const purchase = {
      keySecret: null,
      idempotencyDigest: unused,
      fingerprint: unused,
      ...purchaseOf(priced, principal, before),
    };
    const outcome = await foresee(this.#parts.database, chargeOf(purchase));
    return { priced, before, outcome };
  }

  /** Lets calls that are under way go on for a while, and ends them then. */
  beginStop(): void {
    this.#watch.stop();
    this.#cut = setTimeout(() => {
      this.#isCut = true;
      this.#calls.stop();
    }, LONGEST_STOP_MS);
  }

  /** Settles what has ended, and closes the connections. Call it when no request can come any more. */
  async stop(): Promise<void> {
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    clearTimeout(this.#cut);
    await this.#endings.close();
    await this.#upstreams.close();
  }

  async #pay(
    priced: PricedRoute,
    request: CallRequest,
    before: CostBefore,
    body: Buffer | null,
  ): Promise<Paid> {
    const { principal, idempotencyKey, cancel } = request;
    const common = { keySecret: principal.sha256, ...purchaseOf(priced, principal, before) };
    if (idempotencyKey !== undefined) {
      const fingerprint = fingerprintOf(priced, request, body);
      return this.#payOnce(common, idempotencyKey, fingerprint, cancel);
    }
    const digest = newDigest();
    const purchase = { idempotencyDigest: digest, fingerprint: digest, ...common };
    const payment = await this.#settlements.begin(purchase, () => !cancel.aborted);
    if (!payment) throw new Error('a new idempotency key was paid before');
    return { purchase, payment, claim: null };
  }

  /** The same under a customer's idempotency key: what an attempt before has paid is not paid again. */
  async #payOnce(
    common: Omit<Purchase, 'idempotencyDigest' | 'fingerprint'>,
    idempotencyKey: string,
    fingerprint: Digest,
    cancel: Cancel,
  ): Promise<Paid> {
    const { database } = this.#parts;
    const { account, priced } = common;
    const longestMs = longestOf(priced);
    let claim = await claimCall(database, account, idempotencyKey, fingerprint, longestMs);
    try {
      if (cancel.aborted) throw new NoAnswer('client_left_before_answer', null, cancel.reason);
      for (;;) {
        const purchase = { idempotencyDigest: claim.paymentDigest, fingerprint, ...common };
        const payment = await this.#settlements.begin(purchase, () => true);
        if (payment) return { purchase, payment, claim };
        claim = await renewPayment(database, claim);
      }
    } catch (error) {
      if (error instanceof NotClaimed) throw error;
      const undone = error instanceof PaymentFailed ? error.undone : null;
      if (undone) void undone.then(() => this.#endClaim(claim, null));
      else await this.#endClaim(claim, null);
      throw error;
    }
  }

  #forward(
    { purchase, payment, claim, members, body }: Ready,
    request: CallRequest,
  ): Promise<CallAnswer> {
    const call = new Call({
      purchase,
      payment,
      request,
      members,
      settlements: this.#settlements,
      onEnd: (end) => void this.#ended(call, purchase, claim, end),
      onDefect: (error) => {
        this.#parts.log.error({ err: error }, 'a call was not settled');
        this.#gone(call, purchase);
      },
    });
    this.#calls.add(call);
    return call.forward(body);
  }

  async #ended(
    call: Call,
    purchase: Purchase,
    claim: CallClaim | null,
    { ending, status, payment }: CallEnd,
  ): Promise<void> {
    const { priced } = purchase;
    const { account, number } = payment;
    this.#endings.add({ account, number, at: Date.now(), ending, status });
    this.#parts.observer.callEnded(priced.route.name, ending);
    this.#logFailure(priced, ending, status);
    if (claim) await this.#endClaim(claim, outcomeOf(ending, payment));
    this.#gone(call, purchase);
  }

  /** What the operator may have to mend, or the upstream's; each kind once in a while. */
  #logFailure({ route }: PricedRoute, ending: CallEnd['ending'], status: number | null): void {
    if (!WORTH_A_LOOK.has(ending)) return;
    if (!this.#logPace.isDue(`${route.name} ${ending}`)) return;
    this.#parts.log.warn({ route: route.name, ending, status }, 'a call did not end well');
  }

  #gone(call: Call, { priced }: Purchase): void {
    if (this.#calls.delete(call)) priced.upstream.callEnded();
    if (this.#calls.size === 0) this.#onIdle();
  }

  /** Without it the claim ends by itself, later. `outcome` null: it was not forwarded. */
  async #endClaim(claim: CallClaim, outcome: ClaimOutcome | null): Promise<void> {
    const { database } = this.#parts;
    try {
      await (outcome === null ? releaseClaim(database, claim) : endClaim(database, claim, outcome));
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'the ending of a call with an idempotency key was lost');
    }
  }
}

/** A call that is paid or held. */
interface Paid {
  readonly purchase: Purchase;
  readonly payment: Payment;
  readonly claim: CallClaim | null;
}

/** What is forwarded. */
interface Ready extends Paid {
  /** The members of the request, as prices see them. */
  readonly members: unknown;
  readonly body: Buffer | Readable | null;
}

/** An answer of the upstream's that is an error was delivered, but it is none to keep. */
function outcomeOf(ending: CallEnd['ending'], payment: Payment): ClaimOutcome {
  const isDelivered = !UNDELIVERED.has(ending);
  if (isDelivered) return 'delivered';
  return payment.charged > 0n ? 'paid' : 'free';
}

const UNDELIVERED: ReadonlySet<CallEnd['ending']> = new Set([
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_4xx',
  'upstream_5xx',
  'upstream_broke_off',
  'client_left_before_answer',
  'client_left_midway',
]);

/** Endings whose cause is in the price book or at the upstream. */
const WORTH_A_LOOK: ReadonlySet<CallEnd['ending']> = new Set([
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_broke_off',
  'answer_malformed',
  'answer_too_large',
  'above_maximum',
]);

function purchaseOf(priced: PricedRoute, principal: CustomerKeyRead, before: CostBefore) {
  const { accountPublicId, apiKeyId } = principal;
  return { priced, account: accountIdOf(accountPublicId), accountPublicId, apiKeyId, before };
}

function membersIn(
  { route }: PricedRoute,
  { method, target, headers }: CallRequest,
  body: Buffer | null,
) {
  const sent = { method, search: target.search, body, contentType: headers['content-type'] };
  return membersOf(route.memberNames, sent);
}

/** What was asked: the same idempotency key with another request is noticed. */
function fingerprintOf(
  { route }: PricedRoute,
  { method, target }: CallRequest,
  body: Buffer | null,
): Digest {
  const { path, search } = target;
  const sent = body ? hash('sha256', body) : '';
  return digestOf(JSON.stringify(['call', route.name, method, path, search, sent]));
}

/** An idempotency key that no other operation has: 8 bytes by chance a process, and a count. */
function newDigest(): Digest {
  count += 1n;
  return `\\x${PROCESS}${count.toString(16).padStart(16, '0')}` as Digest;
}
const PROCESS = randomBytes(8).toString('hex');
let count = 0n;
