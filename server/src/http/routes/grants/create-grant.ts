import { Type } from 'typebox';
import { accountIdOf } from '../../../ledger/ids.ts';
import type { GrantOperation } from '../../../ledger/operations.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../document.ts';
import { operatorOf } from '../../entry.ts';
import { invalidRequest } from '../../errors/api-error.ts';
import { CentsIn, Description, Metadata, OneOf, STRICT } from '../../formats.ts';
import { fingerprint, idempotencyDigest } from '../../idempotency.ts';
import { parseAmount, parseMetadata, parseOptionalText } from '../../members.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_PATH, accountIdIn } from '../../paths.ts';
import { receiptOf } from '../../refusals.ts';
import { GRANT_CATEGORIES, newGrantResource } from '../../resources/grant.ts';

const DEFAULT_CATEGORY = 'paid';
const DEFAULT_PRIORITY = 50;

const Body = Type.Object(
  {
    amount: CentsIn('How much, in cents; above 0.'),
    category: Type.Optional(OneOf(GRANT_CATEGORIES, `\`${DEFAULT_CATEGORY}\` where left out.`)),
    priority: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: `Lower burns first; ${DEFAULT_PRIORITY} where left out.`,
      }),
    ),
    description: Type.Optional(Description()),
    metadata: Type.Optional(Metadata()),
  },
  STRICT,
);

export function createGrantRoute(app: App, { ledger }: RouteParts): void {
  app.post(
    '/v1/accounts/:id/grants',
    {
      config: {
        scopes: ['ledger:write'],
        errors: [
          'account_not_found',
          'amount_too_large',
          'too_many_grants',
          'idempotency_key_reused',
          'overloaded',
          'account_busy',
          'outcome_unknown',
        ],
      },
      schema: {
        operationId: 'createGrant',
        tags: ['Grants'],
        summary: 'Give an account credit',
        params: ACCOUNT_PATH,
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The grant.', one('Grant')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const publicId = accountIdIn(request.params);
      const amount = parseAmount('amount', body.amount);
      if (amount === 0n) throw invalidRequest('amount must be above 0');
      const terms = {
        category: body.category ?? DEFAULT_CATEGORY,
        priority: body.priority ?? DEFAULT_PRIORITY,
        effectiveAt: null,
        expiresAt: null,
        appliesTo: null,
      };
      const description = parseOptionalText('description', body.description);
      const metadata = parseMetadata(body.metadata);
      const operation: GrantOperation = {
        kind: 'grant',
        account: accountIdOf(publicId),
        accountPublicId: publicId,
        operatorKeyId: operatorOf(request).operatorKeyId,
        idempotencyDigest: idempotencyDigest(request.headers),
        fingerprint: fingerprint(
          'grant',
          [publicId, amount, terms.category, terms.priority, description],
          metadata,
        ),
        amount,
        terms,
        description,
        metadata,
      };
      const isWanted = () => !request.raw.socket.destroyed;
      const { receipt, replayed } = receiptOf(await ledger.submit(operation, isWanted));
      if (replayed) reply.header('idempotency-replayed', 'true');
      return reply.code(201).send({ data: newGrantResource(receipt) });
    },
  );
}
