import { NoAnswer } from '../../gateway/call/call-answer.ts';
import { BodyNotReceived } from '../../gateway/call/call-request.ts';
import { TooManyCalls } from '../../gateway/gateway.ts';
import { KeyNotFree } from '../../gateway/idempotency/idempotency.ts';
import { PaymentFailed, PaymentRefused } from '../../gateway/payment/payment.ts';
import { BodyNotJson, BodyTooLarge } from '../../gateway/request/request-body.ts';
import { NoConnection } from '../../gateway/upstream/connections.ts';
import { type AccountId, operationId } from '../../ledger/operations/ids.ts';
import { RequestNotPriced } from '../../pricing/cost.ts';
import { ApiError } from '../errors/api-error.ts';
import { customersErrorOf } from '../outcomes/refusals.ts';

const KEY_CODES = {
  reused: 'idempotency_key_reused',
  in_progress: 'in_progress',
  already_answered: 'already_answered',
} as const;

/** The error that a customer gets for a failed call. Other errors pass unchanged. */
export function callError(error: unknown, account: AccountId): unknown {
  if (error instanceof PaymentRefused) return customersErrorOf(error.refusal, error.topUpUrl);
  if (error instanceof PaymentFailed) return new ApiError(error.code);
  if (error instanceof KeyNotFree) return keyNotFree(error, account);
  if (error instanceof BodyNotReceived) {
    return new ApiError(error.reason === 'server_stops' ? 'stopping' : 'request_timeout');
  }
  if (error instanceof TooManyCalls) return new ApiError('too_many_calls');
  if (error instanceof NoConnection) return new ApiError('overloaded');
  if (error instanceof RequestNotPriced) return notPriced(error.message, error.loc);
  if (error instanceof BodyNotJson)
    return notPriced('the body must be JSON, with Content-Type: application/json', []);
  if (error instanceof BodyTooLarge) {
    return new ApiError('body_too_large', {
      detail: `The body is larger than ${error.largestBytes} bytes, the most that this route takes`,
    });
  }
  if (error instanceof NoAnswer) {
    const isTimeout = error.ending === 'upstream_timeout' || error.ending === 'time_exceeded';
    return new ApiError(isTimeout ? 'upstream_timeout' : 'upstream_failed', {
      cause: error.cause,
    });
  }
  return error;
}

/** If the answer of the first request is not kept, the error names the charge. */
function keyNotFree({ reason, charge }: KeyNotFree, account: AccountId): ApiError {
  const error = new ApiError(KEY_CODES[reason]);
  return charge === null ? error : error.with({ charge_id: operationId('chg', account, charge) });
}

/** The `detail` of a 422 is a list, because official SDKs refuse a text there. */
function notPriced(message: string, loc: readonly string[]): ApiError {
  const detail = [{ type: 'value_error', loc: ['body', ...loc], msg: message }];
  return new ApiError('request_not_priced', { detail: message, members: { detail } });
}
