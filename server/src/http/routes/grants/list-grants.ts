import { Type } from 'typebox';
import { listGrants } from '../../../ledger/history.ts';
import { answer, many } from '../../document.ts';
import { STRICT } from '../../formats.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumberCursor } from '../../pages.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_PATH, accountIn } from '../../paths.ts';
import { grantResource } from '../../resources/grant.ts';

export function listGrantsRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/accounts/:id/grants',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found'] },
      schema: {
        operationId: 'listGrants',
        tags: ['Grants'],
        summary: "List an account's grants, with what each has left",
        params: ACCOUNT_PATH,
        querystring: Type.Object(PAGE_QUERY, STRICT),
        response: { 200: answer('Grants, newest first.', many('Grant')) },
      },
    },
    async (request) => {
      const position = pageOf(request.query, parseNumberCursor);
      const account = await accountIn(database, request.params);
      const page = await listGrants(database, account.id, position);
      const print = (grant: (typeof page.items)[number]) =>
        grantResource(account.publicId, account.id, grant);
      return listOf(request, page, print, ({ number }) => [String(number)]);
    },
  );
}
