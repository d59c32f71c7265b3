import { Type } from 'typebox';
import type { App, RouteParts } from '../../door/parts.ts';
import { CentsIn, Reason, STRICT } from '../../input/formats.ts';
import { parsePositiveAmount, parseText } from '../../input/members.ts';
import { CHARGE_PATH, chargeIn } from '../../input/paths.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { reversalResource } from './reversal.ts';

const Body = Type.Object(
  {
    amount: Type.Optional(CentsIn('The part to give back, in cents. Default: all that is left.')),
    reason: Reason(),
  },
  STRICT,
);

export function reverseChargeRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/charges/:id/reverse',
    {
      config: {
        scopes: ['ledger:write'],
        errors: [
          'charge_not_found',
          'reversal_exceeds_charge',
          'amount_too_large',
          ...MONEY_ERRORS,
        ],
      },
      schema: {
        operationId: 'reverseCharge',
        tags: ['Charges'],
        summary: 'Undo a charge, wholly or in part',
        description:
          'Gives back to the grants that paid, the last payer first. Credit that returns into an ended grant leaves it at once.',
        params: CHARGE_PATH,
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 201: replayable('The reversal.', one('Reversal')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const { account, number } = chargeIn(request.params);
      const amount = body.amount === undefined ? null : parsePositiveAmount('amount', body.amount);
      const asked = askedBy(request, {
        kind: 'reversal',
        account,
        accountPublicId: null,
        values: [account, number, amount],
        description: parseText('reason', body.reason),
        metadata: null,
      });
      const receipt = await carryOut(parts, request, reply, { charge: number, amount, ...asked });
      return reply.code(201).send({ data: reversalResource(receipt) });
    },
  );
}
