import type { App, RouteParts } from '../door/parts.ts';
import { GRANTS_SCHEMA, grantsOf } from '../history/grants.ts';
import { HISTORY_ERRORS } from '../history/up-to-date.ts';
import { ownAccount } from './own-account.ts';

export function listOwnGrantsRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/billing/grants',
    {
      config: { scopes: ['billing:read'], errors: [...HISTORY_ERRORS] },
      schema: {
        operationId: 'listOwnGrants',
        tags: ['Billing'],
        summary: "List the account's grants, with the rest of each",
        ...GRANTS_SCHEMA,
      },
    },
    (request) => grantsOf(parts, ownAccount(request), request, request.query),
  );
}
