import type { CallEnding } from '../endings/endings.ts';
import type { Payment } from '../payment/payment.ts';

/**
 * The life of a call (adr/0008). `ended` may follow each of the states before it. A call ends once,
 * with one of the endings of `endings.ts`; the settlement then makes it cost what that ending costs.
 */
export type CallState =
  /** The body is being read, if the price or the idempotency key needs it. */
  | 'received'
  /** The cost, or its maximum, is known. */
  | 'priced'
  /** The cost is charged or held, and the call has the right to a connection. */
  | 'paid'
  /** The request is on its way to the upstream. */
  | 'sent'
  /** The answer is on its way to the customer. */
  | 'answering'
  | 'ended'
  | 'settled';

/** How a call that was paid has ended. */
export interface CallEnd {
  readonly ending: CallEnding;
  readonly status: number | null;
  readonly payment: Payment;
}
