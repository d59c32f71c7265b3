import { accountIdOf } from '../../ledger/operations/ids.ts';
import type { Claim, IdempotencyKeys, Replay } from '../idempotency/idempotency.ts';
import {
  type Payment,
  PaymentFailed,
  type PaymentRefused,
  type Payments,
} from '../payment/payment.ts';
import { type Purchase, purchaseOf } from '../payment/purchase.ts';
import { costOf, type PricedRoute } from '../routes/route-table.ts';
import {
  type CallRequest,
  fingerprintOf,
  membersIn,
  type ReceivedBody,
  receive,
} from './call-request.ts';
import { within } from './within.ts';

/** The steps of a call from its request to its payment. */

export interface CheckoutParts {
  readonly priced: PricedRoute;
  readonly request: CallRequest;
  readonly payments: Payments;
  readonly keys: IdempotencyKeys;
  /** The refusal of an account that has less than any call costs; null: it has enough. */
  readonly tooPoor: PaymentRefused | null;
  /** Whether the server has stopped beginning calls. */
  readonly isClosed: () => boolean;
}

/** The call's own part in its checkout. */
export interface CheckoutSteps {
  readonly onPriced: () => void;
  /** Waits for a body; rejects with BodyNotReceived once the call is stopped. */
  readonly untilStopped: <T>(work: Promise<T>) => Promise<T>;
}

/** A call that is charged or held, and has the right to a connection. */
export interface PaidCall {
  readonly body: ReceivedBody;
  readonly purchase: Purchase;
  readonly claim: Claim | null;
  readonly payment: Payment;
}

/** A refusal waits this long for its idempotency key to be freed. */
const LONGEST_FREEING_MS = 1_000;

/**
 * Receives, prices and pays a call. Resolves with the paid call, or with the kept answer to the same
 * request. Rejects with BodyTooLarge, BodyNotReceived, BodyNotJson, RequestNotPriced, KeyNotFree,
 * NoConnection, PaymentRefused or PaymentFailed; then nothing stays paid, and the key is free.
 */
export async function checkOut(
  parts: CheckoutParts,
  { onPriced, untilStopped }: CheckoutSteps,
): Promise<PaidCall | Replay> {
  const { priced, request, keys, tooPoor } = parts;
  const { principal, idempotencyKey } = request;
  if (tooPoor && idempotencyKey === undefined) throw tooPoor;
  const received = receive(priced, request);
  const body = request.body === null ? await received : await untilStopped(received);
  const fingerprint = () => fingerprintOf(request, body.whole);
  if (tooPoor && idempotencyKey !== undefined) {
    // An account without credit can still replay the answers that it has paid for.
    const account = accountIdOf(principal.accountPublicId);
    const replay = await keys.find(account, idempotencyKey, fingerprint());
    if (replay) return replay;
    throw tooPoor;
  }
  const members = priced.needsRequest ? membersIn(priced, request, body.whole) : {};
  const before = await costOf(priced, members);
  onPriced();
  const purchase = purchaseOf(priced, principal, before);
  if (idempotencyKey === undefined) {
    const payment = await pay(parts, purchase, () => !request.client.hasLeft);
    return { body, purchase, claim: null, payment };
  }
  const claim = await keys.claim(idempotencyKey, fingerprint(), purchase);
  if ('answer' in claim) return claim;
  try {
    // The claim needs the payment's outcome, so a disconnect does not drop the operation.
    const payment = await pay(parts, purchase, () => true);
    return { body, purchase, claim, payment };
  } catch (error) {
    if (error instanceof PaymentFailed && error.undone) {
      const undone = error.undone.then(() => keys.free(claim));
      throw new PaymentFailed(error.code, undone);
    }
    await within(keys.free(claim), LONGEST_FREEING_MS);
    throw error;
  }
}

/** Takes a connection before it pays: a call without a connection costs nothing. */
async function pay(
  { priced, payments, isClosed }: CheckoutParts,
  purchase: Purchase,
  isWanted: () => boolean,
): Promise<Payment> {
  const { connections } = priced.upstream;
  await connections.take();
  try {
    if (isClosed()) throw new PaymentFailed('stopping', null);
    return await payments.begin(purchase, isWanted);
  } catch (error) {
    connections.giveBack();
    throw error;
  }
}
