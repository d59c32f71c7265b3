import type { CallEnding } from '../endings/endings.ts';
import type { Payment } from '../payment/payment.ts';

/**
 * The life of a call. `ended` may follow each of the states before it, in one of the endings of
 * `endings.ts`; a call ends once, and its payment is then brought to the cost of that ending.
 */
export type CallState =
  /** Its body is read, as far as it must be. */
  | 'received'
  /** Its cost is known, or the most that it can be. */
  | 'priced'
  /** That is charged or held, and the call has the right to a connection. */
  | 'paid'
  /** The upstream is asked. */
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
