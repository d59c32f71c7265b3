import { Type } from 'typebox';
import { askedBy, carryOut, MONEY_ERRORS } from '../../carry-out.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../document.ts';
import { Reason, STRICT } from '../../formats.ts';
import { parseOptionalText } from '../../members.ts';
import type { App, RouteParts } from '../../parts.ts';
import { HOLD_PATH, holdIn } from '../../paths.ts';
import { endedHoldResource } from '../../resources/hold.ts';

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
        summary: 'Give back what a hold reserved',
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
