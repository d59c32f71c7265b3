import { Type } from 'typebox';
import { setSpendLimit } from '../../../ledger/accounts/spend-limits.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { CentsIn, STRICT } from '../../input/formats.ts';
import { parseAmount } from '../../input/members.ts';
import { answer, one } from '../../openapi/document.ts';
import { LIMIT_HOLDERS } from './holders.ts';
import { spendLimitResource } from './spend-limit.ts';

const Body = Type.Object(
  {
    amount: CentsIn(
      'The most that may be spent in a period. An amount below the present use only stops more.',
    ),
  },
  STRICT,
);

const UNCOUNTABLE =
  'The spending of this period is above 9223372036854.775807 cents and cannot be counted: limit a shorter period';

export function setSpendLimitRoute(app: App, { database }: RouteParts): void {
  for (const { url, params, suffix, noun, writeScope, notFound, limitIn } of LIMIT_HOLDERS) {
    app.put(
      url,
      {
        config: {
          scopes: [writeScope],
          errors: [notFound, 'amount_too_large', 'clock_unreliable'],
        },
        schema: {
          operationId: `set${suffix}`,
          tags: ['Spend limits'],
          summary: `Set a spend limit of ${noun}, or change its amount`,
          description:
            'All spending since the start of the period counts, also from before the limit was set. Once it is answered, no decision without the limit can commit.',
          params,
          body: Body,
          response: { 200: answer('The spend limit.', one('SpendLimit')) },
        },
      },
      async (request) => {
        const amount = parseAmount('amount', request.body.amount);
        const { key, holder } = await limitIn(database, request.params);
        const limit = await setSpendLimit(database, key, amount);
        if (limit === 'uncountable')
          throw new ApiError('amount_too_large', { detail: UNCOUNTABLE });
        return { data: spendLimitResource(holder, key.period, limit) };
      },
    );
  }
}
