import { CountingFailed, type Pays } from '../../pricing/book/price-book.ts';
import { type Cost, type CostBefore, costAfter } from '../../pricing/cost.ts';
import type { CallEnding } from '../endings/endings.ts';
import type { Payment, Payments } from '../payment/payment.ts';
import type { Purchase } from '../payment/purchase.ts';
import type { Counted } from '../upstream/answers.ts';
import type { PaidCall } from './checkout.ts';

/** Brings the payment of one call to the cost of its ending, step by step. */
export class Settlement {
  readonly #payments: Payments;
  readonly #purchase: Purchase;
  #payment: Payment;
  /** What was counted; undefined: nothing yet. */
  #cost: Cost | undefined;
  /** The steps, one after the other: a later one must know what an earlier one did. */
  #steps: Promise<void> = Promise.resolve();
  #open = 0;

  constructor(payments: Payments, { purchase, payment }: PaidCall) {
    this.#payments = payments;
    this.#purchase = purchase;
    this.#payment = payment;
  }

  /** What the call costs before it, and at most. */
  get before(): CostBefore {
    return this.#purchase.before;
  }

  /** The payment as it stands now. */
  get payment(): Payment {
    return this.#payment;
  }

  /** The payment; null: the ledger has not answered yet. */
  get settled(): Payment | null {
    return this.#open === 0 ? this.#payment : null;
  }

  /** Counts an answer, and tells how the call ends if the answer is delivered. */
  async count(counted: Counted): Promise<CallEnding> {
    if (counted.kind !== 'countable') return counted.kind;
    const { priced, before } = this.#purchase;
    const { route } = priced;
    try {
      const { answer } = counted;
      const { cost, isAboveMaximum } = await costAfter(route, answer, before);
      if (!isAboveMaximum) {
        this.#cost = cost;
        return 'delivered';
      }
      this.#cost = route.settlement.above_maximum === 'maximum' ? before.maximum : cost;
      return 'above_maximum';
    } catch (error) {
      if (error instanceof CountingFailed) return 'answer_malformed';
      throw error;
    }
  }

  /** Pays what an ending costs. A second time it only ever gives back. */
  pay(pays: Pays, ending: CallEnding): Promise<void> {
    return this.#step(async () => {
      this.#payment = await this.#brought(pays, ending);
    });
  }

  /** Does something after all steps before it, with the payment as it stands then. */
  afterwards(work: (payment: Payment) => Promise<void>): Promise<void> {
    return this.#step(() => work(this.#payment));
  }

  #step(work: () => Promise<void>): Promise<void> {
    this.#open += 1;
    this.#steps = this.#steps.then(work).finally(() => {
      this.#open -= 1;
    });
    return this.#steps;
  }

  async #brought(pays: Pays, ending: CallEnding): Promise<Payment> {
    const [payments, purchase, payment] = [this.#payments, this.#purchase, this.#payment];
    if (pays === 'free') return payments.giveBack(purchase, payment, ending);
    if (!payment.isHeld) return payment;
    const { before } = purchase;
    const uncounted = pays === 'maximum' ? before.maximum : before.counted;
    return payments.capture(purchase, payment, this.#cost ?? uncounted);
  }
}
