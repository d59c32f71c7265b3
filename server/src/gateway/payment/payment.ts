import type { Ledger } from '../../ledger/ledger.ts';
import { digestOf } from '../../ledger/operations/digest.ts';
import type { AccountId } from '../../ledger/operations/ids.ts';
import {
  type FailureCode,
  GATEWAY,
  type Operation,
  type Outcome,
  type Receipt,
  type Refusal,
} from '../../ledger/operations/operations.ts';
import type { Cost } from '../../pricing/cost.ts';
import { insist } from './insist.ts';
import { callText, chargeOf, firstOperationOf, type Purchase } from './purchase.ts';

/**
 * Payments of calls. A known price is charged before the call is forwarded, and reversed if the call
 * turns out to be free. Any other price is held at its maximum, then captured or voided.
 *
 * A settlement is retried until the ledger answers it, whatever the state of PostgreSQL (`insist.ts`).
 * Each retry has the same idempotency key, so the ledger carries it out once.
 */

/** The charges and the hold of one call. Amounts are microcents. */
export interface Payment {
  readonly account: AccountId;
  /** The number of its first operation, a charge or a hold. */
  readonly number: bigint;
  /** Whether its hold is open. */
  readonly isHeld: boolean;
  /** The number of the charge; null: there is none. */
  readonly charge: bigint | null;
  /** The number of the charge for the cost above the hold; null: there is none. */
  readonly overage: bigint | null;
  readonly charged: bigint;
  /** Whether it was charged after its hold had expired. */
  readonly isLate: boolean;
  /** Posted minus held, after the last change. */
  readonly available: bigint;
}

/** The ledger refused a payment. */
export class PaymentRefused extends Error {
  readonly refusal: Refusal;
  readonly topUpUrl: string | null;

  constructor(refusal: Refusal, topUpUrl: string | null) {
    super(refusal.code);
    this.name = 'PaymentRefused';
    this.refusal = refusal;
    this.topUpUrl = topUpUrl;
  }
}

/** The ledger could not decide on a payment, or its answer was lost. */
export class PaymentFailed extends Error {
  readonly code: FailureCode;
  /** Resolves once the payment that may exist is given back; null: nothing was paid. */
  readonly undone: Promise<void> | null;

  constructor(code: FailureCode, undone: Promise<void> | null) {
    super(code);
    this.name = 'PaymentFailed';
    this.code = code;
    this.undone = undone;
  }
}

interface PaymentLog {
  error(details: object, message: string): void;
}

export class Payments {
  readonly #ledger: Pick<Ledger, 'submit'>;
  readonly #log: PaymentLog;

  constructor(parts: { readonly ledger: Pick<Ledger, 'submit'>; readonly log: PaymentLog }) {
    this.#ledger = parts.ledger;
    this.#log = parts.log;
  }

  /** Charges or holds. Rejects with PaymentRefused or PaymentFailed. */
  async begin(purchase: Purchase, isWanted: () => boolean): Promise<Payment> {
    const outcome = await this.#ledger.submit(firstOperationOf(purchase), isWanted);
    switch (outcome.kind) {
      case 'recorded':
        return paymentOf(outcome.receipt);
      case 'refused':
        throw new PaymentRefused(outcome.refusal, purchase.priced.topUpUrl);
      case 'failed':
        throw new PaymentFailed(
          outcome.code,
          outcome.code === 'outcome_unknown' ? this.#undo(purchase) : null,
        );
      case 'replayed':
      case 'done':
        throw new Error(`bug: the payment of a new purchase was ${outcome.kind}`);
    }
  }

  /**
   * Captures the cost of a call from its hold. If the hold has expired, a late charge takes its place:
   * it needs no credit, because the answer was delivered.
   */
  async capture(purchase: Purchase, payment: Payment, cost: Cost): Promise<Payment> {
    const ask = (amount: bigint) =>
      this.#insist({
        kind: 'capture',
        hold: payment.number,
        amount,
        call: callText(purchase.priced, cost),
        ...this.#followUp(purchase, payment, `capture ${amount}`, null),
      });
    let outcome = await ask(cost.amount);
    let isLate = false;
    const { maximum } = purchase.before;
    const isAbove = cost.amount > maximum.amount;
    // Without credit for the overage the ledger refuses the capture: then the maximum is captured.
    if (isAbove && outcome.kind === 'refused' && outcome.refusal.code !== 'hold_ended') {
      outcome = await ask(maximum.amount);
    }
    if (hasExpired(outcome)) {
      isLate = true;
      outcome = await this.#chargeLate(purchase, payment, isAbove ? maximum : cost);
    }
    const receipt = this.#receiptOf(outcome, 'captured', payment);
    if (!receipt) return { ...payment, isHeld: false };
    const { availableAfter: available } = receipt;
    return { ...payment, isHeld: false, isLate, ...chargedBy(receipt), available };
  }

  /** Voids the hold or reverses the charges. `reason` becomes their description. */
  async giveBack(purchase: Purchase, payment: Payment, reason: string): Promise<Payment> {
    const { isHeld, charge, overage, charged } = payment;
    if (!isHeld && (charge === null || charged === 0n)) return payment;
    if (overage !== null) {
      const more = this.#followUp(purchase, payment, 'give back overage', reason);
      const reversal = { kind: 'reversal', charge: overage, amount: null, ...more } as const;
      this.#receiptOf(await this.#insist(reversal), 'given back', payment);
    }
    const common = this.#followUp(purchase, payment, 'give back', reason);
    const outcome = await this.#insist(
      charge === null
        ? { kind: 'hold_void', hold: payment.number, ...common }
        : { kind: 'reversal', charge, amount: null, ...common },
    );
    // The expiry of the hold has given its amount back.
    if (hasExpired(outcome)) {
      const available = payment.available + purchase.before.maximum.amount;
      return { ...payment, isHeld: false, available };
    }
    const receipt = this.#receiptOf(outcome, 'given back', payment);
    if (!receipt) return { ...payment, isHeld: false };
    return { ...payment, isHeld: false, charged: 0n, available: receipt.availableAfter };
  }

  #chargeLate(purchase: Purchase, payment: Payment, cost: Cost): Promise<Outcome> {
    return this.#insist({
      ...chargeOf(purchase),
      ...this.#followUp(purchase, payment, LATE, null),
      amount: cost.amount,
      keySecret: null,
      call: callText(purchase.priced, cost, true),
      late: true,
    });
  }

  /** Retries a payment until its outcome is known, and gives it back: the call is not forwarded. */
  async #undo(purchase: Purchase): Promise<void> {
    const outcome = await this.#insist(firstOperationOf(purchase));
    if (outcome.kind === 'recorded' || outcome.kind === 'replayed') {
      await this.giveBack(purchase, paymentOf(outcome.receipt), 'outcome_unknown');
    } else if (outcome.kind === 'failed') {
      const { account } = purchase;
      this.#log.error({ account, why: outcome.code }, 'whether a call was paid stays unknown');
    }
  }

  /** The common members of the operations that settle a payment. */
  #followUp(purchase: Purchase, payment: Payment, step: string, description: string | null) {
    const digest = stepDigest(payment.number, step);
    return {
      account: payment.account,
      accountPublicId: purchase.accountPublicId,
      actor: GATEWAY,
      idempotencyDigest: digest,
      fingerprint: digest,
      description,
      metadata: null,
    };
  }

  /** Submits an operation until the ledger has answered it. */
  #insist(operation: Operation): Promise<Outcome> {
    return insist(
      () => this.#ledger.submit(operation, () => true),
      // A closed lane writes nothing more: the payment stays as if the server had died.
      (outcome) => outcome.kind !== 'failed' || outcome.code === 'stopping',
    );
  }

  #receiptOf(outcome: Outcome, done: string, payment: Payment): Receipt | undefined {
    if (outcome.kind === 'recorded' || outcome.kind === 'replayed') return outcome.receipt;
    const why = outcome.kind === 'refused' ? outcome.refusal.code : outcome;
    const { account, number } = payment;
    this.#log.error({ account, number, why }, `a call's payment could not be ${done}`);
    return undefined;
  }
}

const LATE = 'late';

/** The idempotency digest of the late charge that replaces an expired hold. */
export function lateDigestOf(hold: bigint) {
  return stepDigest(hold, LATE);
}

/** The idempotency digest of one step of the payment with this number. */
function stepDigest(number: bigint, step: string) {
  return digestOf(`gateway\0${number}\0${step}`);
}

/** Whether a capture or void was refused because its hold had expired. */
function hasExpired(outcome: Outcome): boolean {
  if (outcome.kind !== 'refused' || outcome.refusal.code !== 'hold_ended') return false;
  return outcome.refusal.by === 'expiry';
}

function paymentOf(receipt: Receipt): Payment {
  const isHeld = receipt.kind === 'hold';
  return {
    account: receipt.account,
    number: receipt.number,
    isHeld,
    isLate: false,
    available: receipt.availableAfter,
    ...(isHeld ? { charge: null, overage: null, charged: 0n } : chargedBy(receipt)),
  };
}

/** The charges that a receipt of a charge or capture shows, with its overage. */
function chargedBy({ number, amount, overage }: Receipt) {
  return {
    charge: number,
    overage: overage?.number ?? null,
    charged: amount + (overage?.amount ?? 0n),
  };
}
