import type { BalanceRead } from '../auth/key-reads.ts';
import type { CustomerPrincipal } from '../auth/principal.ts';
import type { Database } from '../db/connection/database.ts';
import { foresee } from '../ledger/lane/unlocked-read.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Outcome } from '../ledger/operations/operations.ts';
import { LogPace } from '../log-pace.ts';
import { type CostBefore, leastCostOf } from '../pricing/cost.ts';
import { Call } from './call/call.ts';
import type { CallAnswer } from './call/call-answer.ts';
import type { CallRequest } from './call/call-request.ts';
import type { CallEnd } from './call/call-state.ts';
import { CallsUnderWay } from './calls-under-way.ts';
import { CallEndings } from './endings/call-endings.ts';
import { type CallEnding, ENDING_FACTS } from './endings/endings.ts';
import { IdempotencyKeys } from './idempotency/idempotency.ts';
import { PaymentRefused, Payments } from './payment/payment.ts';
import { chargeOf, purchaseOf } from './payment/purchase.ts';
import { PriceBookWatch } from './routes/price-books.ts';
import { type Rate, RateLimits } from './routes/rate-limits.ts';
import { costOf, type PricedRoute, RouteTable } from './routes/route-table.ts';
import { type Share, Shares } from './upstream/shares.ts';
import { type SecretOf, Upstreams } from './upstream/upstreams.ts';

/** Gets events of the gateway, for metrics. */
export interface GatewayObserver {
  /** A paid call ended. `route` is its name in the price book. */
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
  readonly secretOf: SecretOf;
  /** A stopping server lets calls under way go on for this long. */
  readonly drainMs: number;
}

/** The cost of a call that was not made, and the ledger's outcome if it were made now. */
export interface Quote {
  readonly priced: PricedRoute;
  readonly before: CostBefore;
  readonly outcome: Outcome;
}

/** The key or its account has as many calls under way as its share allows. */
export class TooManyCalls extends Error {
  constructor() {
    super('too many calls are in progress');
    this.name = 'TooManyCalls';
  }
}

/** Priced routes in front of other APIs: price, charge or hold, forward, count, settle. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #upstreams = new Upstreams();
  readonly #rates = new RateLimits();
  readonly #shares = new Shares();
  readonly #payments: Payments;
  readonly #keys: IdempotencyKeys;
  readonly #endings: CallEndings;
  readonly #watch: PriceBookWatch;
  readonly #calls = new CallsUnderWay();
  #table: RouteTable | undefined;
  readonly #logPace = new LogPace();
  #onIdle: () => void = () => {};
  #drain: NodeJS.Timeout | undefined;
  /** Whether unpaid calls are refused, because the server stops. */
  #isClosed = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#payments = new Payments(parts);
    this.#keys = new IdempotencyKeys(parts);
    this.#endings = new CallEndings(parts.database, parts.log);
    this.#watch = new PriceBookWatch(parts.database, parts.log, (version, book) => {
      const upstreams = this.#upstreams.use(book.upstreams, parts.secretOf);
      this.#table = new RouteTable(version, book, upstreams);
      parts.log.info({ version: version.version }, 'the price book is in effect');
    });
  }

  /** Loads the price book in effect. Rejects with OperatorError if it cannot be used. */
  async start(): Promise<void> {
    await this.#watch.look();
    this.#keys.start();
  }

  /** The priced route of a request; undefined: there is none. */
  match(method: string, path: string): PricedRoute | undefined {
    return this.#table?.match(method, path);
  }

  /** The methods that routes sell at a path, with HEAD for GET; empty: no route has the path. */
  methodsAt(path: string): string[] {
    return this.#table?.methodsAt(path) ?? [];
  }

  /** Counts a request towards its route's rate limit; null: the route has none. */
  rate({ route }: PricedRoute, apiKeyId: string): Rate | null {
    return route.rateLimit && this.#rates.take(apiKeyId, route.name, route.rateLimit);
  }

  /**
   * Carries out a call whose key is valid and has the scope. Rejects with TooManyCalls, or as
   * `Call.answer` does.
   */
  async call(priced: PricedRoute, request: CallRequest): Promise<CallAnswer> {
    const shares = sharesOf(priced, request.principal);
    if (!this.#shares.take(shares)) throw new TooManyCalls();
    // Keeps a new price book from closing the connections before the call has ended.
    priced.upstream.callBegan();
    const call = new Call({
      priced,
      request,
      payments: this.#payments,
      keys: this.#keys,
      tooPoor: refusalOfPoor(priced, request.balance),
      isClosed: () => this.#isClosed,
      onEnded: () => this.#shares.giveBack(shares),
      onSettled: (end) => this.#settled(call, priced, end),
      onDefect: (error) => this.#parts.log.error({ err: error }, 'bug: a call was not settled'),
    });
    this.#calls.add(call);
    return call.answer();
  }

  /**
   * Prices a call and asks the ledger what would become of it; changes nothing. Undefined: there is
   * no such route. Rejects with RequestNotPriced.
   */
  async quote(
    principal: CustomerPrincipal,
    routeName: string,
    members: Readonly<Record<string, unknown>>,
  ): Promise<Quote | undefined> {
    const priced = this.#table?.named(routeName);
    if (!priced) return undefined;
    const before = await costOf(priced, members);
    const purchase = { ...purchaseOf(priced, principal, before), keySecret: null };
    const outcome = await foresee(this.#parts.database, chargeOf(purchase));
    return { priced, before, outcome };
  }

  /** Begins to drain: calls under way go on for `drainMs`, then they are ended. */
  beginStop(): void {
    this.#watch.stop();
    this.#keys.stop();
    this.#drain = setTimeout(() => {
      this.#isClosed = true;
      this.#calls.stop();
    }, this.#parts.drainMs);
  }

  /** Waits until all calls are settled, and closes the connections. Call it after the last request. */
  async stop(): Promise<void> {
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    clearTimeout(this.#drain);
    await this.#endings.close();
    await this.#upstreams.close();
  }

  #settled(call: Call, priced: PricedRoute, end: CallEnd | null): void {
    if (end) {
      const { ending, status, payment } = end;
      const { account, number, charge } = payment;
      const at = Date.now();
      this.#endings.add({ account, number, at, ending, status });
      // A late charge is not the capture of its hold, so its receipt needs its own ending.
      if (payment.isLate && charge !== null) {
        this.#endings.add({ account, number: charge, at, ending, status });
      }
      this.#parts.observer.callEnded(priced.route.name, ending);
      this.#log(priced.route.name, ending, status);
    }
    if (this.#calls.delete(call)) priced.upstream.callEnded();
    if (this.#calls.size === 0) this.#onIdle();
  }

  /** Logs an ending that the operator may have to act on, at most once a second for each kind. */
  #log(route: string, ending: CallEnding, status: number | null): void {
    const { log } = ENDING_FACTS[ending];
    if (log === null || !this.#logPace.isDue(`${route} ${ending}`)) return;
    this.#parts.log[log]({ route, ending, status }, LOG_TEXTS[ending] ?? 'a call did not end well');
  }
}

const LOG_TEXTS: Partial<Record<CallEnding, string>> = {
  upstream_rejected_operator: "the upstream refuses the operator's secret: customers get 502",
  above_maximum: 'the count is above at_most of the price book',
};

/** The shares of a call: its key on the route, and its account on the upstream. */
function sharesOf(
  { route, upstream }: PricedRoute,
  { apiKeyId, accountPublicId }: CustomerPrincipal,
): readonly Share[] {
  const ofAccount = Math.max(1, Math.floor(upstream.mostConnections / 2));
  return [
    { name: `${apiKeyId} ${route.name}`, most: route.concurrency },
    { name: `${accountPublicId} ${route.upstream}`, most: ofAccount },
  ];
}

/** The refusal of an account that has less than the route's cheapest call costs, before its body is read. */
function refusalOfPoor(
  { route, topUpUrl }: PricedRoute,
  balance: BalanceRead,
): PaymentRefused | null {
  const required = leastCostOf(route);
  const spendable = balance.available + balance.overdraftLimit;
  if (required === 0n || spendable >= required) return null;
  const code = 'insufficient_credits';
  const [available, debt] = spendable < 0n ? [0n, -spendable] : [spendable, 0n];
  return new PaymentRefused({ code, available, required, elsewhere: 0n, debt }, topUpUrl);
}
