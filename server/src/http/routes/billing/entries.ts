import { HISTORY_ERRORS } from '../../history.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ownAccount } from '../../paths.ts';
import { ENTRIES_SCHEMA, entriesOf } from '../accounts/list-entries.ts';

export function listOwnEntriesRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/billing/entries',
    {
      config: { scopes: ['billing:read'], errors: [...HISTORY_ERRORS] },
      schema: {
        operationId: 'listOwnEntries',
        tags: ['Billing'],
        summary: "List the account's entries",
        ...ENTRIES_SCHEMA,
      },
    },
    (request) => entriesOf(parts, ownAccount(request), request, request.query),
  );
}
