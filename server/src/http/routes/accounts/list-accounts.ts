import { Type } from 'typebox';
import { listAccounts } from '../../../ledger/accounts/accounts.ts';
import { ACCOUNT_PUBLIC_ID, accountIdOf } from '../../../ledger/operations/ids.ts';
import { answer, many } from '../../document.ts';
import { Name, STRICT } from '../../formats.ts';
import { parseText } from '../../members.ts';
import { listOf, PAGE_QUERY, pageOf } from '../../pages.ts';
import type { App, RouteParts } from '../../parts.ts';
import { accountResource } from '../../resources/account.ts';

const Query = Type.Object(
  { ...PAGE_QUERY, external_id: Type.Optional(Name('Only the account that has it.')) },
  STRICT,
);

export function listAccountsRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/accounts',
    {
      config: { scopes: ['ledger:read', 'accounts:write'] },
      schema: {
        operationId: 'listAccounts',
        tags: ['Accounts'],
        summary: 'List accounts',
        querystring: Query,
        response: { 200: answer('Accounts, newest first.', many('Account')) },
      },
    },
    async (request) => {
      const { query } = request;
      const page = await listAccounts(database, {
        ...pageOf(query, ([id = '', ...rest]) =>
          ACCOUNT_PUBLIC_ID.test(id) && rest.length === 0 ? accountIdOf(id) : undefined,
        ),
        ...(query.external_id !== undefined && {
          externalId: parseText('external_id', query.external_id),
        }),
      });
      return listOf(request, page, accountResource, ({ publicId }) => [publicId]);
    },
  );
}
