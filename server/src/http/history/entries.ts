import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Account } from '../../ledger/accounts/accounts.ts';
import { type EntryPosition, listEntries } from '../../ledger/history/lists.ts';
import { ENTRY_KINDS } from '../../ledger/operations/kinds.ts';
import { audienceOf } from '../door/audiences.ts';
import type { RouteParts } from '../door/parts.ts';
import {
  API_KEY_QUERY,
  PERIOD_QUERY,
  parseApiKeyFilter,
  parsePeriod,
  parseWords,
  SHORT_PAGES,
} from '../input/filters.ts';
import { ListOf, STRICT } from '../input/formats.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumber } from '../input/pages.ts';
import { answer, many } from '../openapi/document.ts';
import { entryResource } from '../resources/entry.ts';
import { upToDate } from './up-to-date.ts';

const Query = Type.Object(
  {
    ...PAGE_QUERY,
    ...PERIOD_QUERY,
    ...API_KEY_QUERY,
    kind: Type.Optional(ListOf(ENTRY_KINDS, 'Only entries of such operations.')),
  },
  STRICT,
);

/** The query and the answer of a list of entries, for both audiences. */
export const ENTRIES_SCHEMA = {
  description: SHORT_PAGES,
  querystring: Query,
  response: { 200: answer('Entries, newest first.', many('Entry')) },
};

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

/** A number alone stands before all lines of that operation. */
function parsePosition([first, second = '1', ...rest]: readonly string[]):
  | EntryPosition
  | undefined {
  const [number, line] = [parseNumber(first), parseNumber(second)];
  // A line is a smallint in PostgreSQL.
  if (number === undefined || line === undefined || line > 32_767n || rest.length > 0) return;
  return { number, line: Number(line) };
}
