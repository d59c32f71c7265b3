import { Type } from 'typebox';
import { formatCents } from '../../ledger/operations/money.ts';
import { balanceOf, customerOf } from '../door/audiences.ts';
import type { App } from '../door/parts.ts';
import { JSON_TYPE } from '../errors/api-error.ts';
import { AccountPublicId } from '../input/formats.ts';
import { answer } from '../openapi/document.ts';

const AccountBalance = Type.Object({
  data: Type.Object({
    type: Type.Literal('account'),
    id: AccountPublicId('The account that the key belongs to.'),
    attributes: Type.Object({
      balance: Type.Number({
        description: 'Cents that can be spent, exact.',
        examples: [718924.5],
      }),
    }),
  }),
});

/**
 * The balance of the key's account, from the statement that judged the key. `JSON.stringify` cannot
 * write the body: `balance` is a JSON number with more digits than a double has.
 */
export function accountBalanceRoute(app: App): void {
  app.get(
    '/v1/billing/account_balance',
    {
      config: { scopes: ['balance:read'], rate: 'balance' },
      schema: {
        operationId: 'getAccountBalance',
        tags: ['Billing'],
        summary: 'Account balance',
        description:
          'The remaining credit, in cents, of the billing entity that the API key belongs to: the shared pool of an organization, or the credit of an individual.',
        response: { 200: answer('The balance.', AccountBalance) },
      },
    },
    (request, reply) => {
      const { accountPublicId } = customerOf(request);
      const { available } = balanceOf(request);
      reply
        .type(JSON_TYPE)
        .send(
          `{"data":{"type":"account","id":"${accountPublicId}","attributes":{"balance":${formatCents(available)}}}}`,
        );
    },
  );
}
