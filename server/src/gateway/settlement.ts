import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { digestOf } from '../ledger/digest.ts';
import { findCharge, findChargeOfHold } from '../ledger/history.ts';
import type { AccountId } from '../ledger/ids.ts';
import type { Ledger } from '../ledger/ledger.ts';
import {
  type CallText,
  type ChargeOperation,
  type Digest,
  type FailureCode,
  GATEWAY,
  type Operation,
  type Outcome,
  type Receipt,
  type Refusal,
  type SpendOperation,
} from '../ledger/operations.ts';
import type { Cost, CostBefore } from '../pricing/cost.ts';
import type { PricedRoute } from './route-table.ts';

/**
 * How a call is paid. A price that is known is charged before the call is forwarded, and reversed where
 * the call turns out to be free; a price that is not is held at its maximum, and captured or voided.
 */

/** How long a hold outlives the longest call, so that its ending can still be settled. */
const HOLD_MARGIN_MS = 60_000;
/** A charge that is to be reversed is tried for so long; a hold for as long as it lasts. */
const LONGEST_REVERSAL_MS = 600_000;
const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 2_000;

/** Who pays for a call, and for what. */
export interface Purchase {
  readonly priced: PricedRoute;
  readonly account: AccountId;
  readonly accountPublicId: string;
  readonly apiKeyId: string;
  /** The SHA-256 of the customer's key, in hex; null: a quote. */
  readonly keySecret: string | null;
  readonly before: CostBefore;
  readonly idempotencyDigest: Digest;
  readonly fingerprint: Digest;
}

/** What a call has cost so far. Amounts are microcents. */
export interface Payment {
  readonly account: AccountId;
  /** The operation that began it: a charge or a hold. */
  readonly number: bigint;
  /** Whether it is still held, and not charged. */
  readonly isHeld: boolean;
  /** The charge; null where there is none. */
  readonly charge: bigint | null;
  /** The second charge, of what was counted above the hold; null where there is none. */
  readonly overage: bigint | null;
  readonly charged: bigint;
  /** What the account had after the last change. */
  readonly available: bigint;
}

/** The ledger did not accept a payment. */
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

/** Nothing can be said of a payment now. */
export class PaymentFailed extends Error {
  readonly code: FailureCode;
  /** Resolves when what may have been paid is given back; null: nothing was paid. */
  readonly undone: Promise<void> | null;

  constructor(code: FailureCode, undone: Promise<void> | null) {
    super(code);
    this.name = 'PaymentFailed';
    this.code = code;
    this.undone = undone;
  }
}

/** How long a call and its settlement may take. */
export function longestOf({ route }: PricedRoute): number {
  return route.longestMs + HOLD_MARGIN_MS;
}

/** A call that begins now may take until then, in milliseconds since 1970. */
function untilOf(priced: PricedRoute): number {
  return Date.now() + longestOf(priced);
}

/** The charge of a purchase at its maximum. */
export function chargeOf(purchase: Purchase): ChargeOperation {
  const { priced, before, account, accountPublicId, apiKeyId, keySecret } = purchase;
  return {
    kind: 'charge',
    account,
    accountPublicId,
    actor: { kind: 'api_key', id: apiKeyId },
    idempotencyDigest: purchase.idempotencyDigest,
    fingerprint: purchase.fingerprint,
    amount: before.maximum.amount,
    scope: priced.route.scope,
    apiKeyId,
    keySecret,
    description: null,
    metadata: null,
    call: callText(priced, before.maximum),
  };
}

/** What is known is charged, and what is not is held. */
function operationOf(purchase: Purchase): SpendOperation {
  const charge = chargeOf(purchase);
  const { priced } = purchase;
  if (priced.isKnownBefore) return charge;
  return { expiresInMs: longestOf(priced), ...charge, kind: 'hold' };
}

function callText(priced: PricedRoute, { quantities, choices }: Cost): string {
  const { route, version } = priced;
  const text: CallText = {
    route: route.name,
    version,
    quantities,
    choices,
    until: untilOf(priced),
  };
  return JSON.stringify(text);
}

export class Settlements {
  readonly #ledger: Pick<Ledger, 'submit'>;
  readonly #database: Database;
  readonly #log: { error(details: object, message: string): void };

  constructor(parts: {
    ledger: Pick<Ledger, 'submit'>;
    database: Database;
    log: { error(details: object, message: string): void };
  }) {
    this.#ledger = parts.ledger;
    this.#database = parts.database;
    this.#log = parts.log;
  }

  /**
   * Charges or holds. Undefined where this was paid before under the same idempotency key and counts no
   * more: given back, or held by an attempt that has ended. Rejects with PaymentRefused or
   * PaymentFailed.
   */
  async begin(purchase: Purchase, isWanted: () => boolean): Promise<Payment | undefined> {
    const operation = operationOf(purchase);
    const outcome = await this.#ledger.submit(operation, isWanted);
    switch (outcome.kind) {
      case 'recorded':
        return paymentOf(outcome.receipt);
      case 'replayed':
        return this.#paidBefore(purchase, outcome.receipt);
      case 'refused':
        throw new PaymentRefused(outcome.refusal, purchase.priced.topUpUrl);
      case 'failed':
        throw new PaymentFailed(
          outcome.code,
          outcome.code === 'outcome_unknown' ? this.#undo(purchase) : null,
        );
      case 'done':
        throw new Error('a charge or hold recorded nothing');
    }
  }

  /** Takes what a call really cost out of its hold. */
  async capture(purchase: Purchase, payment: Payment, cost: Cost): Promise<Payment> {
    const ask = (amount: bigint) =>
      this.#insist(untilOf(purchase.priced), {
        kind: 'capture',
        hold: payment.number,
        amount,
        call: callText(purchase.priced, cost),
        ...this.#followUp(purchase, payment, `capture ${amount}`, null),
      });
    let outcome = await ask(cost.amount);
    const most = purchase.before.maximum.amount;
    // What is above the hold is charged only where there is credit for it.
    const isTooMuch = outcome.kind === 'refused' && outcome.refusal.code === 'insufficient_credits';
    if (isTooMuch && cost.amount > most) outcome = await ask(most);
    const receipt = this.#receiptOf(outcome, 'captured', payment);
    if (!receipt) return { ...payment, isHeld: false };
    return {
      ...payment,
      isHeld: false,
      ...chargedBy(receipt),
      available: receipt.availableAfter,
    };
  }

  /** Gives everything back; `reason` stands in the history. */
  async giveBack(purchase: Purchase, payment: Payment, reason: string): Promise<Payment> {
    const { isHeld, charge, overage, charged } = payment;
    if (!isHeld && (charge === null || charged === 0n)) return payment;
    const until = isHeld ? untilOf(purchase.priced) : Date.now() + LONGEST_REVERSAL_MS;
    if (overage !== null) {
      const more = this.#followUp(purchase, payment, 'give back overage', reason);
      const reversal = { kind: 'reversal', charge: overage, amount: null, ...more } as const;
      this.#receiptOf(await this.#insist(until, reversal), 'given back', payment);
    }
    const common = this.#followUp(purchase, payment, 'give back', reason);
    const outcome = await this.#insist(
      until,
      charge === null
        ? { kind: 'hold_void', hold: payment.number, ...common }
        : { kind: 'reversal', charge, amount: null, ...common },
    );
    const receipt = this.#receiptOf(outcome, 'given back', payment);
    if (!receipt) return { ...payment, isHeld: false };
    return { ...payment, isHeld: false, charged: 0n, available: receipt.availableAfter };
  }

  /** Asks for a payment again, until it is known what it is, and gives it back: its call is not forwarded. */
  async #undo(purchase: Purchase): Promise<void> {
    const outcome = await this.#insist(Date.now() + LONGEST_REVERSAL_MS, operationOf(purchase));
    if (outcome.kind === 'recorded' || outcome.kind === 'replayed') {
      await this.giveBack(purchase, paymentOf(outcome.receipt), 'outcome_unknown');
    } else if (outcome.kind === 'failed') {
      const { account } = purchase;
      this.#log.error({ account, why: outcome.code }, 'whether a call was paid stays unknown');
    }
  }

  /** What was paid under the idempotency key of a call that is repeated, as it stands now. */
  async #paidBefore(purchase: Purchase, receipt: Receipt): Promise<Payment | undefined> {
    const { account, number } = receipt;
    if (receipt.kind === 'charge') {
      const charge = await findCharge(this.#database, { account, number });
      // What the operator gave back in part was paid all the same.
      const isGivenBack = charge !== undefined && charge.reversed === receipt.amount;
      return isGivenBack ? undefined : paymentOf(receipt);
    }
    // What a hold paid is given back, and the call is held anew: only the last attempt is paid.
    const charge = await findChargeOfHold(this.#database, { account, number });
    const before = paymentOf(receipt);
    if (!charge) await this.giveBack(purchase, before, 'retried');
    else if (charge.reversed < charge.receipt.amount) {
      const paid = { ...before, isHeld: false, ...chargedBy(charge.receipt) };
      await this.giveBack(purchase, paid, 'retried');
    }
    return undefined;
  }

  /** The members of an operation that ends what another began. */
  #followUp(purchase: Purchase, payment: Payment, what: string, description: string | null) {
    const name = `gateway\0${payment.number}\0${what}`;
    return {
      account: payment.account,
      accountPublicId: purchase.accountPublicId,
      actor: GATEWAY,
      idempotencyDigest: digestOf(name),
      fingerprint: digestOf(name),
      description,
      metadata: null,
    };
  }

  /** Repeats an operation until something can be said of it. */
  async #insist(until: number, operation: Operation): Promise<Outcome> {
    for (let wait = RETRY_FIRST_MS; ; wait = Math.min(2 * wait, RETRY_LONGEST_MS)) {
      const outcome = await this.#ledger.submit(operation, () => true);
      const isOver = outcome.kind !== 'failed' || outcome.code === 'internal_error';
      if (isOver || Date.now() + wait > until) return outcome;
      // The lane takes nothing more: what is open ends as if the server had died.
      if (outcome.code === 'stopping') return outcome;
      await delay(wait);
    }
  }

  #receiptOf(outcome: Outcome, done: string, payment: Payment): Receipt | undefined {
    if (outcome.kind === 'recorded' || outcome.kind === 'replayed') return outcome.receipt;
    const why = outcome.kind === 'refused' ? outcome.refusal.code : outcome;
    const { account, number } = payment;
    this.#log.error({ account, number, why }, `a call's payment could not be ${done}`);
    return undefined;
  }
}

function paymentOf(receipt: Receipt): Payment {
  const isHeld = receipt.kind === 'hold';
  return {
    account: receipt.account,
    number: receipt.number,
    isHeld,
    ...(isHeld ? { charge: null, overage: null, charged: 0n } : chargedBy(receipt)),
    available: receipt.availableAfter,
  };
}

/** What a charge or capture has charged, its overage with it. */
function chargedBy({ number, amount, overage }: Receipt) {
  return {
    charge: number,
    overage: overage?.number ?? null,
    charged: amount + (overage?.amount ?? 0n),
  };
}
