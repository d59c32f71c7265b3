import { HISTORY_ERRORS } from '../../history.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ownAccount } from '../../paths.ts';
import { CHARGES_SCHEMA, chargesOf } from '../charges/list-charges.ts';

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
