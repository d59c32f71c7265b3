import { Type } from 'typebox';
import { listEntries } from '../../../ledger/history.ts';
import { answer, many } from '../../document.ts';
import { STRICT } from '../../formats.ts';
import { listOf, PAGE_QUERY, pageOf, parseNumber } from '../../pages.ts';
import type { App, RouteParts } from '../../parts.ts';
import { ACCOUNT_PATH, accountIn } from '../../paths.ts';
import { entryResource } from '../../resources/entry.ts';

export function listEntriesRoute(app: App, { database }: RouteParts): void {
  app.get(
    '/v1/accounts/:id/entries',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found'] },
      schema: {
        operationId: 'listEntries',
        tags: ['Accounts'],
        summary: "List an account's entries",
        params: ACCOUNT_PATH,
        querystring: Type.Object(PAGE_QUERY, STRICT),
        response: { 200: answer('Entries, newest first.', many('Entry')) },
      },
    },
    async (request) => {
      const position = pageOf(request.query, parsePosition);
      const account = await accountIn(database, request.params);
      const page = await listEntries(database, account.id, position);
      const print = (entry: (typeof page.items)[number]) => entryResource(account.id, entry);
      return listOf(request, page, print, ({ number, line }) => [String(number), String(line)]);
    },
  );
}

function parsePosition([first, second, ...rest]: readonly string[]) {
  const [number, line] = [parseNumber(first), parseNumber(second)];
  // Lines are a smallint.
  if (number === undefined || line === undefined || line > 32_767n || rest.length > 0) return;
  return { number, line: Number(line) };
}
