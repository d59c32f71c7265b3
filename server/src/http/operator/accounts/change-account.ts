import { Type } from 'typebox';
import { changeAccount } from '../../../ledger/accounts/accounts.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { CentsIn, Name, OneOf, STRICT } from '../../input/formats.ts';
import { parseAmount, parseText } from '../../input/members.ts';
import { ACCOUNT_PATH, accountIdIn } from '../../input/paths.ts';
import { answer, one } from '../../openapi/document.ts';
import { ACCOUNT_STATUSES, accountResource } from './account.ts';

const Body = Type.Object(
  {
    name: Type.Optional(Name('For people.')),
    status: Type.Optional(
      OneOf(ACCOUNT_STATUSES, 'A suspended account is charged nothing and its keys are refused.'),
    ),
    overdraft_limit: Type.Optional(
      CentsIn(
        'The most that the account may be below zero. A limit below the present overdraft only stops more.',
      ),
    ),
  },
  { ...STRICT, minProperties: 1 },
);

export function changeAccountRoute(app: App, { database }: RouteParts): void {
  app.patch(
    '/v1/accounts/:id',
    {
      config: {
        scopes: ['accounts:write'],
        errors: ['account_not_found', 'amount_too_large'],
      },
      schema: {
        operationId: 'changeAccount',
        tags: ['Accounts'],
        summary: 'Rename, suspend or resume an account, or set its overdraft',
        description: 'Once it is answered, no decision made on the old facts can commit.',
        params: ACCOUNT_PATH,
        body: Body,
        response: { 200: answer('The account.', one('Account')) },
      },
    },
    async ({ params, body }) => {
      const { name, status, overdraft_limit: limit } = body;
      const account = await changeAccount(database, accountIdIn(params), {
        ...(name !== undefined && { name: parseText('name', name) }),
        ...(status !== undefined && { status }),
        ...(limit !== undefined && { overdraftLimit: parseAmount('overdraft_limit', limit) }),
      });
      if (!account) throw new ApiError('account_not_found');
      return { data: accountResource(account) };
    },
  );
}
