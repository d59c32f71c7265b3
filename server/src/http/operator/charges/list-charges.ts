import type { App, RouteParts } from '../../door/parts.ts';
import { CHARGES_SCHEMA, chargesOf } from '../../history/charges.ts';
import { HISTORY_ERRORS } from '../../history/up-to-date.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';

export function listChargesRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/accounts/:id/charges',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'listCharges',
        tags: ['Charges'],
        summary: "List an account's charges",
        params: ACCOUNT_PATH,
        ...CHARGES_SCHEMA,
      },
    },
    async (request) =>
      chargesOf(parts, await accountIn(parts.database, request.params), request, request.query),
  );
}
