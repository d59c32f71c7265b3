import type { Call } from './calls.ts';
import { type Cost, costOf, type Ending, mostOf, type Pays } from './routes.ts';

/** The model of an account and of the operations that a call books. Amounts are microcents. */

export interface Account {
  readonly posted: bigint;
  readonly overdraftLimit: bigint;
  /** The number of the account's last operation. */
  readonly lastNumber: number;
  /** The used idempotency keys. */
  readonly keys: ReadonlyMap<string, UsedKey>;
}

export interface UsedKey {
  readonly request: string;
  /** The number of the charge that paid; null: nothing was charged. */
  readonly charge: number | null;
  /** The kept answer; null: the gateway cannot replay it. */
  readonly answer: { readonly status: number; readonly id: string; readonly body: string } | null;
}

export interface Operation {
  readonly kind: string;
  readonly amount: bigint;
  /** The number of the operation that this one ends or reverses. */
  readonly subject: number | null;
  /** The quantities on its receipt; null: it has no receipt. */
  readonly quantities: Cost['quantities'] | null;
}

export interface Told {
  readonly charged: bigint;
  readonly remaining: bigint;
  /** The number of the charge; null: there is none. */
  readonly charge: number | null;
}

export const spendable = ({ posted, overdraftLimit }: Account): bigint => posted + overdraftLimit;

/** The operations of one call in its account. */
export class Book {
  readonly operations: Operation[] = [];
  readonly #account: Account;
  readonly #call: Call;
  readonly #most: Cost;
  #isHeld: boolean;
  /** The amounts of the charges that are not reversed, by number. */
  #charged = new Map<number, bigint>();
  #charge: number | null = null;
  #posted: bigint;

  /** Charges a price that is known before the call; holds the maximum of any other. */
  constructor(account: Account, call: Call) {
    this.#account = account;
    this.#call = call;
    this.#posted = account.posted;
    const { route, members } = call.request;
    this.#most = mostOf(route, members);
    this.#isHeld = route.counts !== undefined;
    if (!this.#isHeld) this.#charges('charge', this.#most, null);
    else this.#add('hold', this.#most.amount, null, this.#most);
    if (call.isLate) this.#add('hold_expiry', this.#most.amount, this.#first);
  }

  /** Pays for an ending. A second call charges nothing more, but it can give back. */
  settle(ending: Ending, pays: Pays): void {
    if (pays === 'free') this.#giveBack();
    else if (this.#isHeld) this.#capture(this.#costOf(ending, pays));
    this.#isHeld = false;
  }

  told(): Told {
    const charged = [...this.#charged.values()].reduce((sum, amount) => sum + amount, 0n);
    return { charged, remaining: this.#posted, charge: this.#charge };
  }

  #costOf(ending: Ending, pays: Pays): Cost {
    const { request, answer } = this.#call;
    const { route, members } = request;
    const isCounted = ending === 'delivered' || (ending === 'above_maximum' && pays === 'counted');
    if (isCounted) return costOf(route, members, answer.status === 204 ? 0 : answer.count);
    return pays === 'maximum' ? this.#most : costOf(route, members, 0);
  }

  /** Captures the hold. Charges an overage if the hold had not expired and the credit is enough. */
  #capture(cost: Cost): void {
    const most = this.#most.amount;
    if (this.#call.isLate) {
      this.#charges('charge', cost.amount > most ? this.#most : cost, null);
      return;
    }
    const isEnough = cost.amount <= spendable(this.#account);
    const amount = cost.amount <= most ? cost.amount : most;
    this.#charges('capture', { ...cost, amount }, this.#first);
    if (cost.amount > most && isEnough) {
      this.#charges('overage', { ...cost, amount: cost.amount - most }, this.#first);
    }
  }

  #giveBack(): void {
    if (this.#isHeld && !this.#call.isLate) {
      this.#add('hold_void', this.#most.amount, this.#first);
    }
    for (const [number, amount] of [...this.#charged].reverse()) {
      if (amount > 0n) this.#add('reversal', amount, number);
      this.#posted += amount;
    }
    this.#charged = new Map();
  }

  #charges(kind: string, cost: Cost, subject: number | null): void {
    const number = this.#add(kind, cost.amount, subject, cost);
    this.#posted -= cost.amount;
    this.#charged.set(number, cost.amount);
    this.#charge ??= number;
  }

  get #first(): number {
    return this.#account.lastNumber + 1;
  }

  #add(kind: string, amount: bigint, subject: number | null, cost?: Cost): number {
    this.operations.push({ kind, amount, subject, quantities: cost?.quantities ?? null });
    return this.#account.lastNumber + this.operations.length;
  }
}
