import { formatCents } from '../ledger/money.ts';
import type { Outcome, Receipt, Refusal } from '../ledger/operations.ts';
import { ApiError } from './errors/api-error.ts';

/** An operation that was carried out, now or before. Throws the answer of every other outcome. */
export function receiptOf(outcome: Outcome): { receipt: Receipt; replayed: boolean } {
  switch (outcome.kind) {
    case 'recorded':
      return { receipt: outcome.receipt, replayed: false };
    case 'replayed':
      return { receipt: outcome.receipt, replayed: true };
    case 'refused':
      throw errorOf(outcome.refusal);
    case 'failed':
      throw new ApiError(outcome.code);
  }
}

function errorOf(refusal: Refusal): ApiError {
  switch (refusal.code) {
    case 'operator_key_invalid':
      return new ApiError('api_key_invalid');
    case 'api_key_not_found':
      return new ApiError('api_key_not_found', {
        detail: 'api_key_id names no API key of this account',
      });
    case 'api_key_inactive':
      return new ApiError('api_key_inactive', {
        detail: `The API key that api_key_id names is ${refusal.reason}`,
      });
    case 'insufficient_credits':
      return insufficientCredits(refusal.available, refusal.required);
    case 'account_not_found':
    case 'account_suspended':
    case 'idempotency_key_reused':
    case 'missing_scopes':
    case 'amount_too_large':
    case 'too_many_grants':
      return new ApiError(refusal.code);
  }
}

function insufficientCredits(available: bigint, required: bigint): ApiError {
  const shortfall = required - available;
  const texts = {
    available: formatCents(available),
    required: formatCents(required),
    shortfall: formatCents(shortfall),
  };
  return new ApiError('insufficient_credits', {
    members: {
      error: 'payment_required',
      message: `This needs ${texts.required} cents and ${texts.available} are available: ${texts.shortfall} more are needed.`,
      ...texts,
    },
  });
}
