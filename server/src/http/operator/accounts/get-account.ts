import type { App, RouteParts } from '../../door/parts.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';
import { answer, NO_QUERY, one } from '../../openapi/document.ts';
import { accountResource } from './account.ts';

export function getAccountRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/accounts/:id',
    {
      config: { scopes: ['ledger:read', 'accounts:write'], errors: ['account_not_found'] },
      schema: {
        operationId: 'getAccount',
        tags: ['Accounts'],
        summary: 'Read an account',
        params: ACCOUNT_PATH,
        querystring: NO_QUERY,
        response: { 200: answer('The account.', one('Account')) },
      },
    },
    async ({ params }) => ({ data: accountResource(await accountIn(database, params)) }),
  );
}
