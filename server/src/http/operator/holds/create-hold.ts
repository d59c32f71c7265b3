import { Type } from 'typebox';
import { accountIdOf, parseUuidId } from '../../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import {
  AccountPublicId,
  ApiKeyId,
  CentsIn,
  Description,
  ExpiresInS,
  Metadata,
  Scope,
  STRICT,
} from '../../input/formats.ts';
import { parseAmount, parseMetadata, parseOptionalText } from '../../input/members.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { newHoldResource } from './hold.ts';

const Body = Type.Object(
  {
    account: AccountPublicId('The account that has the credit.'),
    amount: CentsIn('The most that it may cost, in cents.'),
    expires_in_s: ExpiresInS(),
    scope: Type.Optional(Scope('The product that it is for.')),
    api_key_id: Type.Optional(ApiKeyId("The customer's key that makes the call.")),
    description: Type.Optional(Description()),
    metadata: Type.Optional(Metadata()),
  },
  STRICT,
);

export function createHoldRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/holds',
    {
      config: {
        scopes: ['ledger:write'],
        errors: [
          'account_not_found',
          'account_suspended',
          'api_key_not_found',
          'api_key_inactive',
          'missing_scopes',
          'spend_limit_reached',
          'insufficient_credits',
          'amount_too_large',
          'too_many_holds',
          ...MONEY_ERRORS,
        ],
      },
      schema: {
        operationId: 'createHold',
        tags: ['Holds'],
        summary: 'Reserve credit for a call whose cost is not yet known',
        description:
          'Reserves in burn order. A hold that is neither captured nor voided is given back at its expiry.',
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The hold.', one('Hold')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const amount = parseAmount('amount', body.amount);
      const scope = body.scope ?? null;
      const apiKeyId = (body.api_key_id && parseUuidId('key', body.api_key_id)) ?? null;
      const expiresInMs = body.expires_in_s * 1_000;
      const asked = askedBy(request, {
        kind: 'hold',
        account: accountIdOf(body.account),
        accountPublicId: body.account,
        values: [body.account, amount, expiresInMs, scope, apiKeyId],
        description: parseOptionalText('description', body.description),
        metadata: parseMetadata(body.metadata),
      });
      const operation = { amount, expiresInMs, scope, apiKeyId, keySecret: null, ...asked };
      const receipt = await carryOut(parts, request, reply, operation);
      return reply.code(201).send({ data: newHoldResource(receipt) });
    },
  );
}
