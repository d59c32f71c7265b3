import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Account } from '../../../ledger/accounts/accounts.ts';
import { type EntryPosition, listEntries } from '../../../ledger/history/lists.ts';
import { ENTRY_KINDS } from '../../../ledger/operations/kinds.ts';
import { answer, many } from '../../document.ts';
import { audienceOf } from '../../entry.ts';
import {
  API_KEY_QUERY,
  PERIOD_QUERY,
  parseApiKeyFilter,
  parsePeriod,
  parseWords,
  SHORT_PAGES,
} from '../../filters.ts';
import { ListOf, STRICT } from '../../formats.ts';
import { HISTORY_ERRORS, upToDate } from '../../history.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumber } from '../../pages.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_PATH, accountIn } from '../../paths.ts';
import { entryResource } from '../../resources/entry.ts';

const Query = Type.Object(
  {
    ...PAGE_QUERY,
    ...PERIOD_QUERY,
    ...API_KEY_QUERY,
    kind: Type.Optional(ListOf(ENTRY_KINDS, 'Only entries of such operations.')),
  },
  STRICT,
);

/** What a list of entries answers, for the operator and for customers. */
export const ENTRIES_SCHEMA = {
  description: SHORT_PAGES,
  querystring: Query,
  response: { 200: answer('Entries, newest first.', many('Entry')) },
};

export function listEntriesRoute(app: App, parts: RouteParts): void {
  app.get(
    '/v1/accounts/:id/entries',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'listEntries',
        tags: ['Accounts'],
        summary: "List an account's entries",
        params: ACCOUNT_PATH,
        ...ENTRIES_SCHEMA,
      },
    },
    async (request) =>
      entriesOf(parts, await accountIn(parts.database, request.params), request, request.query),
  );
}

/** A page of an account's entries. */
export async function entriesOf(
  parts: RouteParts,
  account: Pick<Account, 'id'>,
  request: FastifyRequest,
  query: Static<typeof Query>,
) {
  const asked = {
    ...pageOf(query, parsePosition),
    ...parsePeriod(query),
    kinds: parseWords('kind', query.kind, ENTRY_KINDS),
    apiKeyId: parseApiKeyFilter(query.api_key_id),
  };
  await upToDate(parts, account.id);
  const page = await listEntries(parts.database, account.id, asked);
  const print = (entry: (typeof page.items)[number]) =>
    entryResource(account.id, entry, audienceOf(request));
  return listOf({ url: request.url, query }, page, print, ({ number, line }) => [
    String(number),
    String(line),
  ]);
}

/** A number alone is a place before all lines of that operation. */
function parsePosition([first, second = '1', ...rest]: readonly string[]):
  | EntryPosition
  | undefined {
  const [number, line] = [parseNumber(first), parseNumber(second)];
  // Lines are a smallint.
  if (number === undefined || line === undefined || line > 32_767n || rest.length > 0) return;
  return { number, line: Number(line) };
}
