import { Type } from 'typebox';
import { accountIdOf, parseUuidId } from '../../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import {
  AccountPublicId,
  ApiKeyId,
  CentsIn,
  Description,
  Metadata,
  Scope,
  STRICT,
} from '../../input/formats.ts';
import { parseAmount, parseMetadata, parseOptionalText } from '../../input/members.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';

import { newChargeResource } from '../../resources/charge.ts';

const Body = Type.Object(
  {
    account: AccountPublicId('The account that pays.'),
    amount: CentsIn('The cost, in cents; "0" makes a receipt for a free call.'),
    scope: Type.Optional(Scope('The product that it is for.')),
    api_key_id: Type.Optional(ApiKeyId("The customer's key that made the call.")),
    description: Type.Optional(Description()),
    metadata: Type.Optional(Metadata()),
  },
  STRICT,
);

export function createChargeRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/charges',
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
          ...MONEY_ERRORS,
        ],
      },
      schema: {
        operationId: 'createCharge',
        tags: ['Charges'],
        summary: 'Charge an account',
        description:
          'Burns grants in their order. A charge is durable when it is answered, and never takes more credit than there is.',
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The receipt.', one('Charge')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const amount = parseAmount('amount', body.amount);
      const scope = body.scope ?? null;
      const apiKeyId = (body.api_key_id && parseUuidId('key', body.api_key_id)) ?? null;
      const asked = askedBy(request, {
        kind: 'charge',
        account: accountIdOf(body.account),
        accountPublicId: body.account,
        values: [body.account, amount, scope, apiKeyId],
        description: parseOptionalText('description', body.description),
        metadata: parseMetadata(body.metadata),
      });
      const operation = { amount, scope, apiKeyId, keySecret: null, ...asked };
      const receipt = await carryOut(parts, request, reply, operation);
      return reply.code(201).send({ data: newChargeResource(receipt) });
    },
  );
}
