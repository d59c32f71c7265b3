import { Type } from 'typebox';
import { findGrant } from '../../../ledger/history/lists.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { Reason, STRICT } from '../../input/formats.ts';
import { parseOptionalText } from '../../input/members.ts';
import { GRANT_PATH, grantIn } from '../../input/paths.ts';
import { IDEMPOTENCY_HEADER, one, replayable } from '../../openapi/document.ts';
import { askedBy, carryOut, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { grantResource } from '../../resources/grant.ts';

const Body = Type.Optional(Type.Object({ reason: Type.Optional(Reason()) }, STRICT));

export function voidGrantRoute(app: App, parts: RouteParts): void {
  app.post(
    '/v1/grants/:id/void',
    {
      config: {
        scopes: ['ledger:write'],
        errors: ['grant_not_found', 'grant_ended', ...MONEY_ERRORS],
      },
      schema: {
        operationId: 'voidGrant',
        tags: ['Grants'],
        summary: 'Take back the rest of a grant',
        description:
          'The part that open holds have reserved still pays for them. The credit that they give back leaves the grant too.',
        params: GRANT_PATH,
        headers: IDEMPOTENCY_HEADER,
        body: Body,
        response: { 200: replayable('The grant.', one('Grant')) },
      },
    },
    async (request, reply) => {
      const { account, number } = grantIn(request.params);
      const asked = askedBy(request, {
        kind: 'grant_void',
        account,
        accountPublicId: null,
        values: [account, number],
        description: parseOptionalText('reason', request.body?.reason),
        metadata: null,
      });
      const receipt = await carryOut(parts, request, reply, { grant: number, ...asked });
      const grant = await findGrant(parts.database, { account, number });
      if (!grant) throw new ApiError('grant_not_found');
      // The grant at the moment of its void: a replay answers the same, whatever holds have paid since.
      const left = receipt.remainingAfter ?? 0n;
      const voided = { ...grant, remaining: left, reserved: left };
      return { data: grantResource(receipt.accountPublicId, account, voided, 'operator') };
    },
  );
}
