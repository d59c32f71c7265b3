import type { App, RouteParts } from '../../door/parts.ts';
import { HISTORY_ERRORS } from '../../history/up-to-date.ts';
import { USAGE_SCHEMA, usageOf } from '../../history/usage.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';

export function getUsageRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/accounts/:id/usage',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'getUsage',
        tags: ['Accounts'],
        summary: "Read an account's usage by day, key, scope and route",
        params: ACCOUNT_PATH,
        ...USAGE_SCHEMA,
      },
    },
    async (request) =>
      usageOf(parts, await accountIn(parts.database, request.params), request, request.query),
  );
}
