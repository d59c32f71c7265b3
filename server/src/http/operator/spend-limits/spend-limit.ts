import { Type } from 'typebox';
import type { SpendLimitRead } from '../../../ledger/accounts/spend-limits.ts';
import { uuidId } from '../../../ledger/operations/ids.ts';
import { formatCents } from '../../../ledger/operations/money.ts';
import type { SpendPeriod } from '../../../ledger/operations/operations.ts';
import { AccountPublicId, ApiKeyId, Cents, Instant, OneOf, OrNull } from '../../input/formats.ts';
import { formatOptionalInstant } from '../../input/instants.ts';

export const SPEND_PERIODS = ['day', 'month', 'total'] as const satisfies readonly SpendPeriod[];

export const SpendLimitResource = Type.Object(
  {
    type: Type.Literal('spend_limit'),
    id: Type.String({ description: 'The id of the account or the key, a slash, and the period.' }),
    attributes: Type.Object({
      account: AccountPublicId('The account whose credit is limited.'),
      api_key_id: OrNull(ApiKeyId("The key that is limited; null: the account's own limit.")),
      period: OneOf(SPEND_PERIODS, 'A day and a month in UTC, or all time.'),
      amount: Cents('The most that may be spent in the period.'),
      used: Cents(
        'The use in the period: charges less their reversals, and open holds. It may be above `amount`, which then only stops more.',
      ),
      reset_at: OrNull(Instant('The end of the period; null for `total`.')),
    }),
  },
  { $id: 'SpendLimit' },
);

/** The holder of a limit. */
export interface LimitHolder {
  readonly accountPublicId: string;
  /** The key's UUID; null: the account's own limit. */
  readonly apiKeyId: string | null;
}

export function spendLimitResource(
  { accountPublicId, apiKeyId }: LimitHolder,
  period: SpendPeriod,
  limit: SpendLimitRead,
) {
  const keyId = apiKeyId === null ? null : uuidId('key', apiKeyId);
  return {
    type: 'spend_limit',
    id: `${keyId ?? accountPublicId}/${period}`,
    attributes: {
      account: accountPublicId,
      api_key_id: keyId,
      period,
      amount: formatCents(limit.amount),
      used: formatCents(limit.used),
      reset_at: formatOptionalInstant(limit.resetAt),
    },
  };
}
