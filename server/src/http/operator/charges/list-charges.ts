import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Account } from '../../../ledger/accounts/accounts.ts';
import { type Charge, listCharges } from '../../../ledger/history/lists.ts';
import { audienceOf } from '../../door/entry.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { HISTORY_ERRORS, upToDate } from '../../history/up-to-date.ts';
import {
  API_KEY_QUERY,
  PERIOD_QUERY,
  parseApiKeyFilter,
  parsePeriod,
  SCOPE_QUERY,
  SHORT_PAGES,
} from '../../input/filters.ts';
import { STRICT } from '../../input/formats.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumberCursor } from '../../input/pages.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';
import { answer, many } from '../../openapi/document.ts';
import { chargeResource } from '../../resources/charge.ts';

const Query = Type.Object(
  { ...PAGE_QUERY, ...PERIOD_QUERY, ...API_KEY_QUERY, ...SCOPE_QUERY },
  STRICT,
);

/** What a list of charges answers, for the operator and for customers. */
export const CHARGES_SCHEMA = {
  description: `Plain charges, captures of holds and overages. ${SHORT_PAGES}`,
  querystring: Query,
  response: { 200: answer('Charges, newest first.', many('Charge')) },
};

export function listChargesRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/accounts/:id/charges',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'listCharges',
        tags: ['Charges'],
        summary: "List an account's charges",
        params: ACCOUNT_PATH,
        ...CHARGES_SCHEMA,
      },
    },
    async (request) =>
      chargesOf(parts, await accountIn(parts.database, request.params), request, request.query),
  );
}

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
