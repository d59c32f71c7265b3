import type { App, RouteParts } from '../door/parts.ts';
import { ENTRIES_SCHEMA, entriesOf } from '../history/entries.ts';
import { HISTORY_ERRORS } from '../history/up-to-date.ts';
import { ownAccount } from './own-account.ts';

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
