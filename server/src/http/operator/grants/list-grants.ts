import type { App, RouteParts } from '../../door/parts.ts';
import { GRANTS_SCHEMA, grantsOf } from '../../history/grants.ts';
import { HISTORY_ERRORS } from '../../history/up-to-date.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';

export function listGrantsRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/accounts/:id/grants',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'listGrants',
        tags: ['Grants'],
        summary: "List an account's grants, with the rest of each",
        params: ACCOUNT_PATH,
        ...GRANTS_SCHEMA,
      },
    },
    async (request) =>
      grantsOf(parts, await accountIn(parts.database, request.params), request, request.query),
  );
}
