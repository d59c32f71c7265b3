import { HISTORY_ERRORS } from '../../history.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ownAccount } from '../../paths.ts';
import { USAGE_SCHEMA, usageOf } from '../accounts/get-usage.ts';

export function getOwnUsageRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/billing/usage',
    {
      config: { scopes: ['billing:read'], errors: [...HISTORY_ERRORS] },
      schema: {
        operationId: 'getOwnUsage',
        tags: ['Billing'],
        summary: "Read the account's usage by day, key, scope and route",
        ...USAGE_SCHEMA,
      },
    },
    (request) => usageOf(parts, ownAccount(request), request, request.query),
  );
}
