import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Account } from '../../ledger/accounts/accounts.ts';
import { GRANT_STATUSES, listGrants } from '../../ledger/history/lists.ts';
import { audienceOf } from '../door/audiences.ts';
import type { RouteParts } from '../door/parts.ts';
import { OneOf, STRICT } from '../input/formats.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumberCursor } from '../input/pages.ts';
import { answer, many } from '../openapi/document.ts';
import { grantResource } from '../resources/grant.ts';
import { upToDate } from './up-to-date.ts';

const Query = Type.Object(
  {
    ...PAGE_QUERY,
    status: Type.Optional(
      OneOf(
        GRANT_STATUSES,
        'Only those to come, those that can be spent, or those that have expired, were voided or are used up.',
      ),
    ),
  },
  STRICT,
);

/** The query and the answer of a list of grants, for both audiences. */
export const GRANTS_SCHEMA = {
  querystring: Query,
  response: { 200: answer('Grants, newest first.', many('Grant')) },
};

/** A page of an account's grants. */
export async function grantsOf(
  parts: RouteParts,
  account: Pick<Account, 'id' | 'publicId'>,
  request: FastifyRequest,
  query: Static<typeof Query>,
) {
  const asked = { ...pageOf(query, parseNumberCursor), status: query.status };
  await upToDate(parts, account.id);
  const page = await listGrants(parts.database, account.id, asked);
  const print = (grant: (typeof page.items)[number]) =>
    grantResource(account.publicId, account.id, grant, audienceOf(request));
  return listOf({ url: request.url, query }, page, print, ({ number }) => [String(number)]);
}
