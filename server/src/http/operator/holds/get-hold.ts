import { findHold } from '../../../ledger/history/holds.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { HOLD_PATH, holdIn } from '../../input/paths.ts';
import { answer, NO_QUERY, one } from '../../openapi/document.ts';
import { holdResource } from './hold.ts';

export function getHoldRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/holds/:id',
    {
      config: { scopes: ['ledger:read', 'ledger:write'], errors: ['hold_not_found'] },
      schema: {
        operationId: 'getHold',
        tags: ['Holds'],
        summary: 'Read a hold and its end',
        params: HOLD_PATH,
        querystring: NO_QUERY,
        response: { 200: answer('The hold.', one('Hold')) },
      },
    },
    async ({ params }) => {
      const hold = await findHold(database, holdIn(params));
      if (!hold) throw new ApiError('hold_not_found');
      return { data: holdResource(hold) };
    },
  );
}
