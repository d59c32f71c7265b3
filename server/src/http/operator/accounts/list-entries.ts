import type { App, RouteParts } from '../../door/parts.ts';
import { ENTRIES_SCHEMA, entriesOf } from '../../history/entries.ts';
import { HISTORY_ERRORS } from '../../history/up-to-date.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';

export function listEntriesRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/accounts/:id/entries',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'listEntries',
        tags: ['Accounts'],
        summary: "List an account's entries",
        params: ACCOUNT_PATH,
        ...ENTRIES_SCHEMA,
      },
    },
    async (request) =>
      entriesOf(parts, await accountIn(parts.database, request.params), request, request.query),
  );
}
