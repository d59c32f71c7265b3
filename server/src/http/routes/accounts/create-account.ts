import { Type } from 'typebox';
import { createAccount } from '../../../ledger/accounts.ts';
import { answer, one } from '../../document.ts';
import { ApiError } from '../../errors/api-error.ts';
import { Name, OneOf, STRICT } from '../../formats.ts';
import { parseOptionalText, parseText } from '../../members.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_KINDS, accountResource } from '../../resources/account.ts';

const Body = Type.Object(
  {
    kind: OneOf(ACCOUNT_KINDS, 'A shared pool, or one person.'),
    name: Name('For people.'),
    external_id: Type.Optional(Name('What you call the account; unique.')),
  },
  STRICT,
);

export function createAccountRoute(app: App, { database }: RouteParts): void {
  app.post(
    '/v1/accounts',
    {
      config: { scopes: ['accounts:write'], errors: ['external_id_taken', 'clock_unreliable'] },
      schema: {
        operationId: 'createAccount',
        tags: ['Accounts'],
        summary: 'Create an account',
        body: Body,
        response: { 201: answer('The account.', one('Account')) },
      },
    },
    async ({ body }, reply) => {
      const result = await createAccount(database, {
        kind: body.kind,
        name: parseText('name', body.name),
        externalId: parseOptionalText('external_id', body.external_id),
      });
      if ('existing' in result) {
        const { publicId } = result.existing;
        throw new ApiError('external_id_taken', {
          detail: `The account ${publicId} has this external_id`,
          members: { account: publicId },
        });
      }
      return reply.code(201).send({ data: accountResource(result.created) });
    },
  );
}
