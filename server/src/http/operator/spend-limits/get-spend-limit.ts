import { readSpendLimit } from '../../../ledger/accounts/spend-limits.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { answer, NO_QUERY, one } from '../../openapi/document.ts';
import { LIMIT_HOLDERS } from './holders.ts';
import { spendLimitResource } from './spend-limit.ts';

export function getSpendLimitRoute(app: App, { database }: RouteParts): void {
  for (const { url, params, suffix, noun, writeScope, notFound, limitIn } of LIMIT_HOLDERS) {
    app.get(
      url,
      {
        config: {
          scopes: ['ledger:read', writeScope],
          errors: [notFound, 'spend_limit_not_found', 'clock_unreliable'],
        },
        schema: {
          operationId: `get${suffix}`,
          tags: ['Spend limits'],
          summary: `Read a spend limit of ${noun}, and its use`,
          params,
          querystring: NO_QUERY,
          response: { 200: answer('The spend limit.', one('SpendLimit')) },
        },
      },
      async (request) => {
        const { key, holder } = await limitIn(database, request.params);
        const limit = await readSpendLimit(database, key);
        if (!limit) throw new ApiError('spend_limit_not_found');
        return { data: spendLimitResource(holder, key.period, limit) };
      },
    );
  }
}
