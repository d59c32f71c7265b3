import { NotClaimed } from '../../gateway/call-claims.ts';
import { NoAnswer } from '../../gateway/calls.ts';
import { BodyNotJson, BodyTooLarge } from '../../gateway/request-body.ts';
import { PaymentFailed, PaymentRefused } from '../../gateway/settlement.ts';
import { RequestNotPriced } from '../../pricing/cost.ts';
import { ApiError } from '../errors/api-error.ts';
import { customersErrorOf } from '../refusals.ts';

const CLAIM_CODES = {
  reused: 'idempotency_key_reused',
  in_progress: 'in_progress',
  already_answered: 'already_answered',
  used_up: 'too_many_attempts',
} as const;

/** What a call that was not answered is to the customer; anything else as it is. */
export function callError(error: unknown): unknown {
  if (error instanceof PaymentRefused) return customersErrorOf(error.refusal, error.topUpUrl);
  if (error instanceof PaymentFailed) return new ApiError(error.code);
  if (error instanceof NotClaimed) return new ApiError(CLAIM_CODES[error.reason]);
  if (error instanceof RequestNotPriced) return notPriced(error.message, error.loc);
  if (error instanceof BodyNotJson)
    return notPriced('the body must be JSON, with Content-Type: application/json', []);
  if (error instanceof BodyTooLarge) {
    return new ApiError('body_too_large', {
      detail: `The body is larger than ${error.largestBytes} bytes, the most that this route takes`,
    });
  }
  if (error instanceof NoAnswer) {
    const isTimeout = error.ending === 'upstream_timeout';
    return new ApiError(isTimeout ? 'upstream_timeout' : 'upstream_failed', {
      cause: error.cause,
    });
  }
  return error;
}

/** On a product's route a 422 lists what is wrong: official SDKs refuse a text there. */
function notPriced(message: string, loc: readonly string[]): ApiError {
  const detail = [{ type: 'value_error', loc: ['body', ...loc], msg: message }];
  return new ApiError('request_not_priced', { detail: message, members: { detail } });
}
