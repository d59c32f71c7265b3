import type { App, RouteParts } from '../door/parts.ts';
import { CHARGES_SCHEMA, chargesOf } from '../history/charges.ts';
import { HISTORY_ERRORS } from '../history/up-to-date.ts';
import { ownAccount } from './own-account.ts';

export function listOwnChargesRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/billing/charges',
    {
      config: { scopes: ['billing:read'], errors: [...HISTORY_ERRORS] },
      schema: {
        operationId: 'listOwnCharges',
        tags: ['Billing'],
        summary: "List the account's charges",
        ...CHARGES_SCHEMA,
      },
    },
    (request) => chargesOf(parts, ownAccount(request), request, request.query),
  );
}
