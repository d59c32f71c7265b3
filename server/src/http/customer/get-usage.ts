import type { App, RouteParts } from '../door/parts.ts';
import { HISTORY_ERRORS } from '../history/up-to-date.ts';
import { USAGE_SCHEMA, usageOf } from '../history/usage.ts';
import { ownAccount } from './own-account.ts';

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
