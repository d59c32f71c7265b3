import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Account } from '../../ledger/accounts/accounts.ts';
import {
  readUsage,
  USAGE_GROUPS,
  type Usage,
  type UsagePosition,
} from '../../ledger/history/usage.ts';
import { parseUuidId, uuidId } from '../../ledger/operations/ids.ts';
import type { RouteParts } from '../door/parts.ts';
import { PERIOD_QUERY, parsePeriod, parseWords } from '../input/filters.ts';
import { ListOf, STRICT } from '../input/formats.ts';
import { listOf, PAGE_QUERY, pageOf } from '../input/pages.ts';
import { answer, many } from '../openapi/document.ts';
import { usageResource } from '../resources/usage.ts';
import { upToDate } from './up-to-date.ts';

const Query = Type.Object(
  {
    ...PAGE_QUERY,
    ...PERIOD_QUERY,
    group_by: Type.Optional(
      ListOf(USAGE_GROUPS, 'The groups that make a line; all four by default.'),
    ),
  },
  STRICT,
);

/** The query and the answer of usage, for both audiences. */
export const USAGE_SCHEMA = {
  description:
    'Charges count on their own day (UTC), reversals on the day that they were made, for the key, scope and route of their charge. Over all time, `net` adds up to the balance of the book `revenue`.',
  querystring: Query,
  response: { 200: answer('Usage, newest day first.', many('Usage')) },
};

/** A page of an account's usage. */
export async function usageOf(
  parts: RouteParts,
  account: Pick<Account, 'id'>,
  request: FastifyRequest,
  query: Static<typeof Query>,
) {
  const groupBy = parseWords('group_by', query.group_by, USAGE_GROUPS) ?? USAGE_GROUPS;
  const asked = { ...pageOf(query, parsePosition), ...parsePeriod(query), groupBy };
  await upToDate(parts, account.id);
  const page = await readUsage(parts.database, account.id, asked);
  const print = (usage: Usage) => usageResource(usage, groupBy);
  return listOf({ url: request.url, query }, page, print, wordsOf);
}

/** No word of a cursor has a dot, so dots separate them. */
function wordsOf({ day, key, scope, route }: UsagePosition): string[] {
  return [day, key === '' ? '' : uuidId('key', key), scope, route];
}

function parsePosition(words: readonly string[]): UsagePosition | undefined {
  const [day, keyId, scope, route, ...rest] = words;
  if (day === undefined || keyId === undefined || scope === undefined) return undefined;
  if (route === undefined || rest.length > 0) return undefined;
  const key = keyId === '' ? '' : parseUuidId('key', keyId);
  if (key === undefined || !/^(\d{4}-\d{2}-\d{2})?$/.test(day)) return undefined;
  return /^[a-z0-9_:]*$/.test(scope) && /^[a-z0-9_]*$/.test(route)
    ? { day, key, scope, route }
    : undefined;
}
