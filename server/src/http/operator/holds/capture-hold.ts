import { Type } from 'typebox';
import type { App, RouteParts } from '../../door/parts.ts';
import { CentsIn, Description, Metadata, STRICT } from '../../input/formats.ts';
import { parseAmount, parseMetadata, parseOptionalText } from '../../input/members.ts';
import { HOLD_PATH, holdIn } from '../../input/paths.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { endedHoldResource } from './hold.ts';

const Body = Type.Object(
  {
    amount: CentsIn(
      'The cost, in cents. The part above the hold is a second charge; "0" ends the hold without a cost.',
    ),
    description: Type.Optional(Description()),
    metadata: Type.Optional(Metadata()),
  },
  STRICT,
);

export function captureHoldRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/holds/:id/capture',
    {
      config: {
        scopes: ['ledger:write'],
        errors: [
          'hold_not_found',
          'hold_ended',
          'insufficient_credits',
          'amount_too_large',
          ...MONEY_ERRORS,
        ],
      },
      schema: {
        operationId: 'captureHold',
        tags: ['Holds'],
        summary: 'Charge the credit of a hold, wholly or in part, and give the rest back',
        description:
          'If the cost is above the hold and the credit does not suffice, nothing is captured. The hold stays open, and the capture may be repeated with less.',
        params: HOLD_PATH,
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 200: replayable('The hold, with its charges.', one('Hold')) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const { account, number } = holdIn(request.params);
      const amount = parseAmount('amount', body.amount);
      const asked = askedBy(request, {
        kind: 'capture',
        account,
        accountPublicId: null,
        values: [account, number, amount],
        description: parseOptionalText('description', body.description),
        metadata: parseMetadata(body.metadata),
      });
      const receipt = await carryOut(parts, request, reply, { hold: number, amount, ...asked });
      return { data: endedHoldResource(receipt) };
    },
  );
}
