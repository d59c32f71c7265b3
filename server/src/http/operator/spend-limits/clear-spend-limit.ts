import { clearSpendLimit } from '../../../ledger/accounts/spend-limits.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { NO_QUERY } from '../../openapi/document.ts';
import { LIMIT_HOLDERS } from './holders.ts';

export function clearSpendLimitRoute(app: App, { database }: RouteParts): void {
  for (const { url, params, suffix, noun, writeScope, notFound, limitIn } of LIMIT_HOLDERS) {
    app.delete(
      url,
      {
        config: { scopes: [writeScope], errors: [notFound, 'spend_limit_not_found'] },
        schema: {
          operationId: `clear${suffix}`,
          tags: ['Spend limits'],
          summary: `Remove a spend limit of ${noun}`,
          params,
          querystring: NO_QUERY,
          response: { 204: { description: 'The limit is no more.' } },
        },
      },
      async (request, reply) => {
        const { key } = await limitIn(database, request.params);
        if (!(await clearSpendLimit(database, key))) throw new ApiError('spend_limit_not_found');
        return reply.code(204).send();
      },
    );
  }
}
