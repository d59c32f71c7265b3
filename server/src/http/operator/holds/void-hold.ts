import { Type } from 'typebox';
import type { App, RouteParts } from '../../door/parts.ts';
import { Reason, STRICT } from '../../input/formats.ts';
import { parseOptionalText } from '../../input/members.ts';
import { HOLD_PATH, holdIn } from '../../input/paths.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { endedHoldResource } from './hold.ts';

const Body = Type.Optional(Type.Object({ reason: Type.Optional(Reason()) }, STRICT));

export function voidHoldRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/holds/:id/void',
    {
      config: {
        scopes: ['ledger:write'],
        errors: ['hold_not_found', 'hold_ended', ...MONEY_ERRORS],
      },
      schema: {
        operationId: 'voidHold',
        tags: ['Holds'],
        summary: 'Give back the credit of a hold',
        params: HOLD_PATH,
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 200: replayable('The hold.', one('Hold')) },
      },
    },
    async (request, reply) => {
      const { account, number } = holdIn(request.params);
      const asked = askedBy(request, {
        kind: 'hold_void',
        account,
        accountPublicId: null,
        values: [account, number],
        description: parseOptionalText('reason', request.body?.reason),
        metadata: null,
      });
      const receipt = await carryOut(parts, request, reply, { hold: number, ...asked });
      return { data: endedHoldResource(receipt) };
    },
  );
}
