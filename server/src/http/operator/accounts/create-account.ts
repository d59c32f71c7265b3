import { Type } from 'typebox';
import { createAccount } from '../../../ledger/accounts/accounts.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError, invalidRequest } from '../../errors/api-error.ts';
import { AccountPublicId, Name, OneOf, STRICT } from '../../input/formats.ts';
import { parseOptionalText, parseText } from '../../input/members.ts';
import { OPTIONAL_IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { answerOnce } from '../../outcomes/once.ts';
import { ACCOUNT_KINDS, accountResource } from './account.ts';

const Body = Type.Object(
  {
    kind: OneOf(ACCOUNT_KINDS, 'A shared pool, or one person.'),
    name: Name('For people.'),
    external_id: Type.Optional(Name('Your own identifier of the account; unique.')),
    id: Type.Optional(
      AccountPublicId(
        'The id of an account that you move over, if its customers have stored it. Default: a random one. Its first half must be unique too.',
      ),
    ),
  },
  STRICT,
);

export function createAccountRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/accounts',
    {
      config: {
        scopes: ['accounts:write'],
        errors: ['external_id_taken', 'account_id_taken', 'clock_unreliable'],
      },
      schema: {
        operationId: 'createAccount',
        tags: ['Accounts'],
        summary: 'Create an account',
        headers: OPTIONAL_IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The account.', one('Account')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const input = {
        kind: body.kind,
        name: parseText('name', body.name),
        externalId: parseOptionalText('external_id', body.external_id),
        publicId: parsePublicId(body.id),
      };
      const { kind, name, externalId, publicId } = input;
      const values = [kind, name, externalId, publicId ?? null];
      const asked = { kind: 'account', accountPublicId: null, values } as const;
      return answerOnce(parts, request, reply, asked, async (tx) => {
        const result = await createAccount(tx, input);
        if ('existing' in result) throw externalIdTaken(result.existing.publicId);
        if ('inTheWay' in result) throw idTaken(result.inTheWay.publicId);
        return { status: 201, resource: accountResource(result.created) };
      });
    },
  );
}

/** Walks over all accounts begin after the id of zeros, so no account may have it. */
function parsePublicId(id: string | undefined): string | undefined {
  if (id?.startsWith('0'.repeat(32))) throw invalidRequest('id must not begin with 32 zeros');
  return id;
}

function externalIdTaken(publicId: string): ApiError {
  return new ApiError('external_id_taken', {
    detail: `The account ${publicId} has this external_id`,
    members: { account: publicId },
  });
}

function idTaken(publicId: string): ApiError {
  return new ApiError('account_id_taken', {
    detail: `The account ${publicId} has this id, or the first half of it: choose another id`,
  });
}
