import { Type } from 'typebox';
import type { EntryRow } from '../../../ledger/history/lists.ts';
import type { EntrySum, Posted } from '../../../ledger/history/past.ts';
import type { Statement } from '../../../ledger/history/statement.ts';
import { type AccountId, operationId } from '../../../ledger/operations/ids.ts';
import { ENTRY_KINDS } from '../../../ledger/operations/kinds.ts';
import { formatCents } from '../../../ledger/operations/money.ts';
import { AccountPublicId, Cents, Instant, OneOf } from '../../input/formats.ts';
import { formatInstant } from '../../input/instants.ts';
import { actorResource } from '../../resources/actor.ts';
import { BOOKS, ENTRY_CATEGORIES, idOfOperation } from '../../resources/entry.ts';
import { ByCategory, byCategoryOf } from './account.ts';

interface Period {
  readonly from: number;
  readonly to: number;
}

const Balance = (description: string) =>
  Type.Object(
    { posted: Cents('The sum of all entries until then.'), by_category: ByCategory },
    {
      description,
    },
  );

export const StatementResource = Type.Object(
  {
    type: Type.Literal('statement'),
    id: AccountPublicId(),
    attributes: Type.Object({
      from: Instant('The first instant of the period.'),
      to: Instant('The first instant after it.'),
      opening: Balance('The balance before the period.'),
      sums: Type.Array(
        Type.Object({
          kind: OneOf(ENTRY_KINDS, "The operations' kind."),
          book: OneOf(BOOKS, "The operator's side of the entries."),
          category: OneOf(ENTRY_CATEGORIES),
          amount: Cents('The sum of the entries.'),
          entries: Type.Integer({ minimum: 1, description: 'The number of entries.' }),
        }),
        { description: 'The sums of the period; opening and these amounts add up to closing.' },
      ),
      closing: Balance('The balance after the period.'),
    }),
  },
  { $id: 'Statement' },
);

/** A statement as sums. */
export function statementResource(publicId: string, period: Period, statement: Statement) {
  const { opening, sums, closing } = statement;
  return {
    type: 'statement',
    id: publicId,
    attributes: {
      from: formatInstant(period.from),
      to: formatInstant(period.to),
      opening: balanceOf(opening),
      sums: sums.map(sumOf),
      closing: balanceOf(closing),
    },
  };
}

function balanceOf({ posted, byCategory }: Posted) {
  return { posted: formatCents(posted), by_category: byCategoryOf(byCategory) };
}

function sumOf({ kind, book, category, amount, entries }: EntrySum) {
  return { kind, book, category, amount: formatCents(amount), entries: Number(entries) };
}

export const CSV_TYPE = 'text/csv';
const CSV_HEADER = 'at,operation,kind,line,book,category,grant,amount,posted,actor_type,actor_id';

/**
 * A statement as CSV (RFC 4180), in chunks: a header, the opening, the entries, the closing. `posted`
 * is the balance after each line. No field can hold a comma, a quote or a formula.
 */
export async function* statementCsv(
  account: AccountId,
  { from, to }: Period,
  { opening, closing }: Statement,
  entries: AsyncIterable<readonly EntryRow[]>,
): AsyncGenerator<string> {
  yield `${CSV_HEADER}\r\n${boundaryLine(from, 'opening', opening)}`;
  for await (const chunk of entries) {
    yield chunk.map((entry) => entryLine(account, entry)).join('');
  }
  yield boundaryLine(to, 'closing', closing);
}

function boundaryLine(at: number, kind: string, { posted }: Posted): string {
  return csvLine([formatInstant(at), '', kind, '', '', '', '', '', formatCents(posted), '', '']);
}

function entryLine(account: AccountId, entry: EntryRow): string {
  const actor = actorResource(entry.actor, 'operator');
  return csvLine([
    formatInstant(entry.at),
    idOfOperation(entry.kind, account, entry.number),
    entry.kind,
    String(entry.line),
    entry.book,
    entry.category,
    entry.grant === null ? '' : operationId('grt', account, entry.grant),
    formatCents(entry.amount),
    formatCents(entry.postedAfter),
    actor?.type ?? '',
    actor?.id ?? '',
  ]);
}

function csvLine(fields: readonly string[]): string {
  return `${fields.join(',')}\r\n`;
}
