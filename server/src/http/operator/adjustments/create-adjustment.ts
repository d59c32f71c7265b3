import { Type } from 'typebox';
import { accountIdOf } from '../../../ledger/operations/ids.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { invalidRequest } from '../../errors/api-error.ts';
import { AccountPublicId, OneOf, Reason, SignedCentsIn, STRICT } from '../../input/formats.ts';
import { parseSignedAmount, parseText } from '../../input/members.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { GRANT_CATEGORIES } from '../../resources/grant.ts';
import { adjustmentResource } from './adjustment.ts';

const Body = Type.Object(
  {
    account: AccountPublicId('The account that is adjusted.'),
    amount: SignedCentsIn(
      'In cents, not 0. Above zero it makes a grant; below zero it burns credit that no hold has reserved, of grants for any scope.',
    ),
    category: Type.Optional(
      OneOf(GRANT_CATEGORIES, 'The category of the grant: required above zero, left out below.'),
    ),
    reason: Reason(),
    allow_negative: Type.Optional(
      Type.Boolean({
        description: 'Whether it may take the account below zero, past its overdraft limit.',
      }),
    ),
  },
  STRICT,
);

export function createAdjustmentRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/adjustments',
    {
      config: {
        scopes: ['ledger:write'],
        errors: [
          'account_not_found',
          'insufficient_credits',
          'amount_too_large',
          'too_many_grants',
          ...MONEY_ERRORS,
        ],
      },
      schema: {
        operationId: 'createAdjustment',
        tags: ['Adjustments'],
        summary: 'Correct the credit of an account, with a reason',
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The adjustment.', one('Adjustment')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const amount = parseSignedAmount('amount', body.amount);
      if (amount === 0n) throw invalidRequest('amount must not be 0');
      if (amount > 0n && body.category === undefined) {
        throw invalidRequest(`category is required: must be one of ${GRANT_CATEGORIES.join(', ')}`);
      }
      if (amount < 0n && body.category !== undefined) {
        throw invalidRequest('category must be left out: an amount below zero makes no grant');
      }
      const category = body.category ?? 'paid';
      const allowNegative = body.allow_negative ?? false;
      const asked = askedBy(request, {
        kind: 'adjustment',
        account: accountIdOf(body.account),
        accountPublicId: body.account,
        values: [body.account, amount, category, String(allowNegative)],
        description: parseText('reason', body.reason),
        metadata: null,
      });
      const operation = { amount, category, allowNegative, ...asked };
      const receipt = await carryOut(parts, request, reply, operation);
      return reply.code(201).send({ data: adjustmentResource(receipt) });
    },
  );
}
