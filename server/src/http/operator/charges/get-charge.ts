import { findCharge } from '../../../ledger/history/lists.ts';
import { parseOperationId } from '../../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { CHARGE_PATH } from '../../input/paths.ts';
import { answer, NO_QUERY, one } from '../../openapi/document.ts';
import { chargeResource } from '../../resources/charge.ts';

export function getChargeRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/charges/:id',
    {
      config: { scopes: ['ledger:read', 'ledger:write'], errors: ['charge_not_found'] },
      schema: {
        operationId: 'getCharge',
        tags: ['Charges'],
        summary: "Read a charge's receipt",
        params: CHARGE_PATH,
        querystring: NO_QUERY,
        response: { 200: answer('The receipt.', one('Charge')) },
      },
    },
    async ({ params }) => {
      const ref = parseOperationId('chg', params.id);
      const charge = ref && (await findCharge(database, ref));
      if (!charge) throw new ApiError('charge_not_found');
      return { data: chargeResource(charge, 'operator') };
    },
  );
}
