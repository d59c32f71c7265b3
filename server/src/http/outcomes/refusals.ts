import { formatCents } from '../../ledger/operations/money.ts';
import type {
  InsufficientCredits,
  Outcome,
  Receipt,
  Refusal,
  SpendLimitReached,
} from '../../ledger/operations/operations.ts';
import { ApiError, invalidRequest } from '../errors/api-error.ts';
import { formatInstant, formatOptionalInstant } from '../input/instants.ts';

/** The receipt of an operation, recorded now or before. Throws the error of any other outcome. */
export function receiptOf(outcome: Outcome): { receipt: Receipt; replayed: boolean } {
  switch (outcome.kind) {
    case 'recorded':
      return { receipt: outcome.receipt, replayed: false };
    case 'replayed':
      return { receipt: outcome.receipt, replayed: true };
    case 'done':
      throw new Error('an operation that is recorded was not');
    case 'refused':
      throw errorOf(outcome.refusal);
    case 'failed':
      throw new ApiError(outcome.code);
  }
}

/** Throws the error of an outcome other than success, for operations that may record nothing. */
export function expectDone(outcome: Outcome): void {
  if (outcome.kind !== 'done') receiptOf(outcome);
}

/** The error that a refusal becomes for the customer. `topUpUrl` leads to more credit. */
export function customersErrorOf(refusal: Refusal, topUpUrl: string | null): ApiError {
  switch (refusal.code) {
    case 'api_key_inactive':
    case 'api_key_not_found':
      return new ApiError('api_key_invalid');
    case 'insufficient_credits':
      return topUpUrl === null
        ? errorOf(refusal)
        : errorOf(refusal).with({ upgrade_url: topUpUrl });
    default:
      return errorOf(refusal);
  }
}

/** The error that a refusal becomes for the operator. */
export function errorOf(refusal: Refusal): ApiError {
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
    case 'expiry_passed':
      return invalidRequest('expires_at must be in the future, and after effective_at');
    case 'expiry_not_later':
      return invalidRequest(
        refusal.expiresAt === null
          ? 'expires_at must be null: the grant never expires'
          : `expires_at must be later than ${formatInstant(refusal.expiresAt)}, when the grant expires now`,
      );
    case 'grant_ended':
      return ended('grant_ended', 'grant', GRANT_ENDING_WORDS[refusal.by], refusal.at);
    case 'hold_ended':
      return ended('hold_ended', 'hold', HOLD_ENDING_WORDS[refusal.by], refusal.at);
    case 'reversal_exceeds_charge':
      return new ApiError('reversal_exceeds_charge', {
        detail:
          refusal.left === 0n
            ? 'Nothing is left of the charge to reverse'
            : `amount must be at most "${formatCents(refusal.left)}", which is left of the charge`,
      });
    case 'insufficient_credits':
      return insufficientCredits(refusal);
    case 'spend_limit_reached':
      return spendLimitReached(refusal);
    case 'account_not_found':
    case 'account_suspended':
    case 'idempotency_key_reused':
    case 'missing_scopes':
    case 'amount_too_large':
    case 'too_many_grants':
    case 'too_many_holds':
    case 'grant_not_found':
    case 'hold_not_found':
    case 'charge_not_found':
      return new ApiError(refusal.code);
  }
}

const GRANT_ENDING_WORDS = { expiry: 'expired', void: 'voided' } as const;
const HOLD_ENDING_WORDS = { capture: 'captured', void: 'voided', expiry: 'expired' } as const;

function ended(code: 'grant_ended' | 'hold_ended', noun: string, how: string, at: number) {
  const endedAt = formatInstant(at);
  return new ApiError(code, {
    detail: `The ${noun} was ${how} at ${endedAt}`.replace('was expired', 'expired'),
    members: { ended_by: how, ended_at: endedAt },
  });
}

/** A grant of the shortfall repays the debt and pays for the operation. */
function insufficientCredits(refusal: InsufficientCredits): ApiError {
  const { available, required, elsewhere, debt } = refusal;
  const texts = {
    available: formatCents(available),
    required: formatCents(required),
    shortfall: formatCents(required - available + debt),
  };
  const why = debt > 0n ? `, of which ${formatCents(debt)} repay the overdraft` : '';
  return new ApiError('insufficient_credits', {
    members: {
      error: 'payment_required',
      message: `This needs ${texts.required} cents and ${texts.available} are available: ${texts.shortfall} more are needed${why}.`,
      ...texts,
      ...(elsewhere > 0n && { available_elsewhere: formatCents(elsewhere) }),
    },
  });
}

function spendLimitReached({ of, period, limit, used, resetAt }: SpendLimitReached): ApiError {
  const whose = of === 'account' ? "The account's" : "The API key's";
  const which = period === 'total' ? 'limit in total' : `limit of the ${period}`;
  return new ApiError('spend_limit_reached', {
    members: {
      error: 'payment_required',
      message: `${whose} ${which} is ${formatCents(limit)} cents, and ${formatCents(used)} are used.`,
      spend_limit: formatCents(limit),
      spend_used: formatCents(used),
      period,
      reset_at: formatOptionalInstant(resetAt),
    },
  });
}
