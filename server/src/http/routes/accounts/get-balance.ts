import { readBalance } from '../../../ledger/current.ts';
import { answer, NO_QUERY, one } from '../../document.ts';
import { ApiError } from '../../errors/api-error.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_PATH, accountIdIn } from '../../paths.ts';
import { balanceResource } from '../../resources/account.ts';

export function getBalanceRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/accounts/:id/balance',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found'] },
      schema: {
        operationId: 'getBalance',
        tags: ['Accounts'],
        summary: "Read an account's balance and what it is made of",
        params: ACCOUNT_PATH,
        querystring: NO_QUERY,
        response: { 200: answer('The balance.', one('Balance')) },
      },
    },
    async ({ params }) => {
      const publicId = accountIdIn(params);
      const balance = await readBalance(database, publicId);
      if (!balance) throw new ApiError('account_not_found');
      return { data: balanceResource(publicId, balance) };
    },
  );
}
