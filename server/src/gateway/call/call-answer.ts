import type { Readable } from 'node:stream';
import { accountIdOf } from '../../ledger/operations/ids.ts';
import type { CallEnding } from '../endings/endings.ts';
import type { Replay } from '../idempotency/idempotency.ts';
import type { Payment } from '../payment/payment.ts';
import type { Headers } from '../request/headers.ts';
import type { CallRequest } from './call-request.ts';

/** The answer for the customer. */
export interface CallAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer | Readable;
  /** The charge or hold for the call; null: the ledger did not answer in time. */
  readonly payment: Payment | null;
  /** Resolves at the end of an answer that is counted as it streams; null: `payment` is final. */
  readonly settled: Promise<Payment | null> | null;
  /** Whether it answers an earlier call with the same idempotency key. */
  readonly isReplay: boolean;
}

/** The upstream gave no answer. The call's settlement has begun. */
export class NoAnswer extends Error {
  readonly ending: CallEnding;
  readonly payment: Payment | null;

  constructor(ending: CallEnding, payment: Payment | null, cause: unknown) {
    super(ending, { cause });
    this.name = 'NoAnswer';
    this.ending = ending;
    this.payment = payment;
  }
}

/** The answer of an earlier attempt, given again. It costs nothing. */
export function replayed(
  { answer, charge }: Replay,
  { principal, balance }: CallRequest,
): CallAnswer {
  const payment: Payment = {
    account: accountIdOf(principal.accountPublicId),
    number: charge ?? 0n,
    isHeld: false,
    isLate: false,
    charge,
    overage: null,
    charged: 0n,
    available: balance.available,
  };
  return { ...answer, payment, settled: null, isReplay: true };
}
