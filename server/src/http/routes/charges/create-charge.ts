import { Type } from 'typebox';
import { accountIdOf, parseUuidId } from '../../../ledger/ids.ts';
import type { ChargeOperation } from '../../../ledger/operations.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../document.ts';
import { operatorOf } from '../../entry.ts';
import {
  AccountPublicId,
  ApiKeyId,
  CentsIn,
  Description,
  Metadata,
  Scope,
  STRICT,
} from '../../formats.ts';
import { fingerprint, idempotencyDigest } from '../../idempotency.ts';
import { parseAmount, parseMetadata, parseOptionalText } from '../../members.ts';
import type { App, RouteParts } from '../../parts.ts';
import { receiptOf } from '../../refusals.ts';
import { newChargeResource } from '../../resources/charge.ts';

const Body = Type.Object(
  {
    account: AccountPublicId('Who pays.'),
    amount: CentsIn('What it costs, in cents; "0" makes a receipt for a free call.'),
    scope: Type.Optional(Scope('What it is for.')),
    api_key_id: Type.Optional(ApiKeyId("The customer's key that made the call.")),
    description: Type.Optional(Description()),
    metadata: Type.Optional(Metadata()),
  },
  STRICT,
);

export function createChargeRoute(app: App, { ledger }: RouteParts): void {
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
          'insufficient_credits',
          'amount_too_large',
          'idempotency_key_reused',
          'overloaded',
          'account_busy',
          'outcome_unknown',
        ],
      },
      schema: {
        operationId: 'createCharge',
        tags: ['Charges'],
        summary: 'Charge an account',
        description:
          'Burns grants in their order. Durable when it is answered; never sells more credit than there is.',
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The receipt.', one('Charge')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const asked = {
        amount: parseAmount('amount', body.amount),
        scope: body.scope ?? null,
        apiKeyId: (body.api_key_id && parseUuidId('key', body.api_key_id)) ?? null,
        description: parseOptionalText('description', body.description),
        metadata: parseMetadata(body.metadata),
      };
      const operation: ChargeOperation = {
        kind: 'charge',
        keySecret: null,
        account: accountIdOf(body.account),
        accountPublicId: body.account,
        operatorKeyId: operatorOf(request).operatorKeyId,
        idempotencyDigest: idempotencyDigest(request.headers),
        fingerprint: fingerprint(
          'charge',
          [body.account, asked.amount, asked.scope, asked.apiKeyId, asked.description],
          asked.metadata,
        ),
        ...asked,
      };
      const isWanted = () => !request.raw.socket.destroyed;
      const { receipt, replayed } = receiptOf(await ledger.submit(operation, isWanted));
      if (replayed) reply.header('idempotency-replayed', 'true');
      return reply.code(201).send({ data: newChargeResource(receipt) });
    },
  );
}
