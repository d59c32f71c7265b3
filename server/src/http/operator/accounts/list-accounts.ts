import { Type } from 'typebox';
import { listAccounts } from '../../../ledger/accounts/accounts.ts';
import { ACCOUNT_PUBLIC_ID, accountIdOf } from '../../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { Name, STRICT } from '../../input/formats.ts';
import { parseText } from '../../input/members.ts';
import { listOf, PAGE_QUERY, pageOf } from '../../input/pages.ts';
import { answer, many } from '../../openapi/document.ts';
import { accountResource } from './account.ts';

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
