import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Account } from '../../ledger/accounts/accounts.ts';
import { type Charge, listCharges } from '../../ledger/history/lists.ts';
import { audienceOf } from '../door/audiences.ts';
import type { RouteParts } from '../door/parts.ts';
import {
  API_KEY_QUERY,
  PERIOD_QUERY,
  parseApiKeyFilter,
  parsePeriod,
  SCOPE_QUERY,
  SHORT_PAGES,
} from '../input/filters.ts';
import { STRICT } from '../input/formats.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumberCursor } from '../input/pages.ts';
import { answer, many } from '../openapi/document.ts';
import { chargeResource } from '../resources/charge.ts';
import { upToDate } from './up-to-date.ts';

const Query = Type.Object(
  { ...PAGE_QUERY, ...PERIOD_QUERY, ...API_KEY_QUERY, ...SCOPE_QUERY },
  STRICT,
);

/** The query and the answer of a list of charges, for both audiences. */
export const CHARGES_SCHEMA = {
  description: `Plain charges, captures of holds and overages. ${SHORT_PAGES}`,
  querystring: Query,
  response: { 200: answer('Charges, newest first.', many('Charge')) },
};

/** A page of an account's charges. */
export async function chargesOf(
  parts: RouteParts,
  account: Pick<Account, 'id'>,
  request: FastifyRequest,
  query: Static<typeof Query>,
) {
  const asked = {
    ...pageOf(query, parseNumberCursor),
    ...parsePeriod(query),
    apiKeyId: parseApiKeyFilter(query.api_key_id),
    scope: query.scope,
  };
  await upToDate(parts, account.id);
  const page = await listCharges(parts.database, account.id, asked);
  const print = (charge: Charge) => chargeResource(charge, audienceOf(request));
  return listOf({ url: request.url, query }, page, print, ({ receipt }) => [
    String(receipt.number),
  ]);
}
