import { Type } from 'typebox';
import { findGrant } from '../../../ledger/history/lists.ts';
import { operatorActor } from '../../door/audiences.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { Instant, OrNull, STRICT } from '../../input/formats.ts';
import { parseOptionalInstant } from '../../input/instants.ts';
import { GRANT_PATH, grantIn } from '../../input/paths.ts';
import { answer, one } from '../../openapi/document.ts';
import { isWanted, MONEY_ERRORS } from '../../outcomes/carry-out.ts';
import { expectDone } from '../../outcomes/refusals.ts';
import { grantResource } from '../../resources/grant.ts';

const Body = Type.Object(
  { expires_at: OrNull(Instant('The new expiry, later than the present one; null: never.')) },
  STRICT,
);

export function extendGrantRoute(app: App, { ledger, database }: RouteParts): void {
  app.patch(
    '/v1/grants/:id',
    {
      config: {
        scopes: ['ledger:write'],
        errors: [
          'grant_not_found',
          'grant_ended',
          ...MONEY_ERRORS.filter((code) => code !== 'idempotency_key_reused'),
        ],
      },
      schema: {
        operationId: 'extendGrant',
        tags: ['Grants'],
        summary: "Extend a grant's expiry",
        description:
          'The grant must not have expired, and the new expiry must be later. A repetition changes nothing.',
        params: GRANT_PATH,
        body: Body,
        response: { 200: answer('The grant.', one('Grant')) },
      },
    },
    async (request) => {
      const ref = grantIn(request.params);
      const operation = {
        kind: 'grant_extension',
        account: ref.account,
        accountPublicId: null,
        actor: operatorActor(request),
        grant: ref.number,
        expiresAt: parseOptionalInstant('expires_at', request.body.expires_at ?? undefined),
      } as const;
      expectDone(await ledger.submit(operation, isWanted(request)));
      const grant = await findGrant(database, ref);
      if (!grant) throw new ApiError('grant_not_found');
      return { data: grantResource(grant.accountPublicId, ref.account, grant, 'operator') };
    },
  );
}
