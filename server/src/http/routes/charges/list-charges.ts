import { Type } from 'typebox';
import { listReceipts } from '../../../ledger/history.ts';
import { answer, many } from '../../document.ts';
import { STRICT } from '../../formats.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumberCursor } from '../../pages.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_PATH, accountIn } from '../../paths.ts';
import { chargeResource } from '../../resources/charge.ts';

export function listChargesRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/accounts/:id/charges',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found'] },
      schema: {
        operationId: 'listCharges',
        tags: ['Charges'],
        summary: "List an account's charges",
        params: ACCOUNT_PATH,
        querystring: Type.Object(PAGE_QUERY, STRICT),
        response: { 200: answer('Charges, newest first.', many('Charge')) },
      },
    },
    async (request) => {
      const position = pageOf(request.query, parseNumberCursor);
      const { id } = await accountIn(database, request.params);
      const page = await listReceipts(database, id, 'charge', position);
      return listOf(request, page, chargeResource, ({ number }) => [String(number)]);
    },
  );
}
