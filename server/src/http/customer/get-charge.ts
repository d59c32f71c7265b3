import { findCharge, findChargeOfHold } from '../../ledger/history/lists.ts';
import { parseOperationId } from '../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../door/parts.ts';
import { ApiError } from '../errors/api-error.ts';
import { CHARGE_PATH } from '../input/paths.ts';
import { answer, NO_QUERY, one } from '../openapi/document.ts';
import { chargeResource } from '../resources/charge.ts';
import { ownAccount } from './own-account.ts';

export function getOwnChargeRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/billing/charges/:id',
    {
      config: { scopes: ['billing:read'], errors: ['charge_not_found'] },
      schema: {
        operationId: 'getOwnCharge',
        tags: ['Billing'],
        summary: "Read the receipt of a charge of the account's",
        description:
          'Takes the id of a charge, or of a hold, such as `X-Hold-Id` of a streamed answer. For a hold it answers the charge that its capture made.',
        params: CHARGE_PATH,
        querystring: NO_QUERY,
        response: { 200: answer('The receipt.', one('Charge')) },
      },
    },
    async (request) => {
      const { id } = request.params;
      const find = id.startsWith('hld_') ? findChargeOfHold : findCharge;
      const ref = parseOperationId(id.startsWith('hld_') ? 'hld' : 'chg', id);
      // Another account's charge is unknown here.
      const isOwn = ref?.account === ownAccount(request).id;
      const charge = ref && isOwn ? await find(database, ref) : undefined;
      if (!charge) throw new ApiError('charge_not_found');
      return { data: chargeResource(charge, 'customer') };
    },
  );
}
