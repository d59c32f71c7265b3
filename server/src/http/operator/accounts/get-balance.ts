import { Type } from 'typebox';
import { balanceAt } from '../../../ledger/history/past.ts';
import { readBalance } from '../../../ledger/lane/unlocked-read.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { ApiError } from '../../errors/api-error.ts';
import { HISTORY_ERRORS, upToDate } from '../../history/up-to-date.ts';
import { requirePast } from '../../input/filters.ts';
import { Instant, STRICT } from '../../input/formats.ts';
import { parseInstantOf } from '../../input/instants.ts';
import { ACCOUNT_PATH, accountIdIn, accountIn } from '../../input/paths.ts';
import { answer, ref } from '../../openapi/document.ts';
import { balanceResource, pastBalanceResource } from './account.ts';

const Query = Type.Object(
  {
    at: Type.Optional(
      Instant(
        'Reads the posted balance at that instant, with the operations of that instant; zero before the account was made. Past holds are not kept.',
      ),
    ),
  },
  STRICT,
);

export function getBalanceRoute(app: App, parts: RouteParts): void {
  const { database } = parts;
  app.get(
    '/v1/accounts/:id/balance',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'getBalance',
        tags: ['Accounts'],
        summary: "Read an account's balance and its parts, now or at an instant",
        params: ACCOUNT_PATH,
        querystring: Query,
        response: {
          200: answer(
            'The balance; with `at`, a past one.',
            Type.Object({ data: Type.Union([ref('Balance'), ref('PastBalance')]) }),
          ),
        },
      },
    },
    async ({ params, query }) => {
      if (query.at !== undefined) {
        const at = parseInstantOf('at', query.at);
        const account = await accountIn(database, params);
        // Operations of the same millisecond count too: the answer waits until that millisecond is over.
        let now: number;
        do {
          now = await upToDate(parts, account.id);
          requirePast('at', at, now);
        } while (now === at);
        const posted = await balanceAt(database, account.id, at);
        return { data: pastBalanceResource(account.publicId, at, posted) };
      }
      const publicId = accountIdIn(params);
      const balance = await readBalance(database, publicId);
      if (!balance) throw new ApiError('account_not_found');
      return { data: balanceResource(publicId, balance) };
    },
  );
}
