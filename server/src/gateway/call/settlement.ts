import { CountingFailed, type Pays } from '../../pricing/book/price-book.ts';
import { type Cost, type CostBefore, costAfter } from '../../pricing/cost.ts';
import type { CallEnding } from '../endings/endings.ts';
import type { Payment, Payments } from '../payment/payment.ts';
import type { Purchase } from '../payment/purchase.ts';
import type { Counted } from '../upstream/answers.ts';
import type { PaidCall } from './checkout.ts';

/** Makes one call cost what its ending costs, in steps that follow one another. */
export class Settlement {
  readonly #payments: Payments;
  readonly #purchase: Purchase;
  #payment: Payment;
  /** The counted cost; undefined: nothing was counted. */
  #cost: Cost | undefined;
  /** The chain of steps: each must see the payment that the one before left. */
  #steps: Promise<void> = Promise.resolve();
  #open = 0;

  constructor(payments: Payments, { purchase, payment }: PaidCall) {
    this.#payments = payments;
    this.#purchase = purchase;
    this.#payment = payment;
  }

  /** The cost that was known before the call, with its maximum. */
  get before(): CostBefore {
    return this.#purchase.before;
  }

  /** The payment at this moment. */
  get payment(): Payment {
    return this.#payment;
  }

  /** The payment; null: a step is still open. */
  get settled(): Payment | null {
    return this.#open === 0 ? this.#payment : null;
  }

  /** Counts an answer. Resolves with the ending of the call if the client gets the whole answer. */
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

  /** Pays what an ending costs. Called again, it can only give back. */
  pay(pays: Pays, ending: CallEnding): Promise<void> {
    return this.#step(async () => {
      this.#payment = await this.#brought(pays, ending);
    });
  }

  /** Runs `work` after all earlier steps, with the payment that they left. */
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
