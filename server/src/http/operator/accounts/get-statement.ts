import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { readStatement, statementEntries } from '../../../ledger/history/statement.ts';
import type { App, RouteParts } from '../../door/parts.ts';
import { invalidRequest } from '../../errors/api-error.ts';
import { HISTORY_ERRORS, upToDate } from '../../history/up-to-date.ts';
import { requirePast } from '../../input/filters.ts';
import { Instant, OneOf, STRICT } from '../../input/formats.ts';
import { parseInstantOf } from '../../input/instants.ts';
import { ACCOUNT_PATH, accountIn } from '../../input/paths.ts';
import { answer, one, orAs } from '../../openapi/document.ts';
import { CSV_TYPE, statementCsv, statementResource } from './statement.ts';

const FORMATS = ['json', 'csv'] as const;

const Query = Type.Object(
  {
    from: Instant('The first instant of the period.'),
    to: Instant('The first instant after the period; now at most.'),
    format: Type.Optional(
      OneOf(
        FORMATS,
        '`json` (the default): opening, sums, closing. `csv`: a line an entry, oldest first, between a line for opening and one for closing.',
      ),
    ),
  },
  STRICT,
);

const CSV_SCHEMA = Type.String({ description: 'Lines as of RFC 4180, with a header.' });

/**
 * The format is a parameter, not an `Accept` header: people can open, share and schedule a link to a
 * CSV.
 */
export function getStatementRoute(app: App, parts: RouteParts): void {
  const { database, log } = parts;
  app.get(
    '/v1/accounts/:id/statement',
    {
      config: { scopes: ['ledger:read'], errors: ['account_not_found', ...HISTORY_ERRORS] },
      schema: {
        operationId: 'getStatement',
        tags: ['Accounts'],
        summary: "Read an account's statement over a period",
        description: 'Opening and the sums add up to closing, exactly, in all and by category.',
        params: ACCOUNT_PATH,
        querystring: Query,
        response: {
          200: orAs(answer('The statement.', one('Statement')), CSV_TYPE, CSV_SCHEMA),
        },
      },
    },
    async (request, reply) => {
      const { params, query } = request;
      const period = {
        from: parseInstantOf('from', query.from),
        to: parseInstantOf('to', query.to),
      };
      if (period.from > period.to) throw invalidRequest('from must not be after to');
      const account = await accountIn(database, params);
      requirePast('to', period.to, await upToDate(parts, account.id));
      const statement = await readStatement(database, account.id, period);
      if (query.format !== 'csv') {
        return { data: statementResource(account.publicId, period, statement) };
      }
      const entries = statementEntries(database, account.id, statement);
      const csv = Readable.from(statementCsv(account.id, period, statement, entries));
      // The status is already sent. The missing closing line tells that the body is incomplete.
      csv.on('error', (error) =>
        log.error({ err: error, request_id: request.id }, 'a statement broke off'),
      );
      return reply.type(`${CSV_TYPE}; charset=utf-8`).send(csv);
    },
  );
}
