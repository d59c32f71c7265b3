import { Type } from 'typebox';
import type { EntryRow } from '../../ledger/history/lists.ts';
import { type AccountId, operationId } from '../../ledger/operations/ids.ts';
import { ENTRY_KINDS, KINDS, type OperationKind } from '../../ledger/operations/kinds.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import type { Audience } from '../door/audiences.ts';
import { Cents, Instant, OneOf, OperationId, OrNull } from '../input/formats.ts';
import { formatInstant } from '../input/instants.ts';
import { ActorSchema, actorResource } from './actor.ts';

export const BOOKS = ['funding', 'promotion', 'revenue', 'breakage', 'adjustment'] as const;
export const ENTRY_CATEGORIES = ['paid', 'promotional', 'overdraft'] as const;

/** The public id of an operation, by its kind. */
export function idOfOperation(kind: OperationKind, account: AccountId, number: bigint): string {
  return operationId(KINDS[kind].prefix, account, number);
}

export const EntryResource = Type.Object(
  {
    type: Type.Literal('entry'),
    id: Type.String({ description: "The operation's id, `_` and the line." }),
    attributes: Type.Object({
      operation: Type.String({ description: 'The operation that the entry is a line of.' }),
      kind: OneOf(ENTRY_KINDS, "The operation's kind."),
      line: Type.Integer({ minimum: 1 }),
      amount: Cents('Above zero: credit came in.'),
      grant: OrNull(OperationId('grt', 'The grant that it moved; null is the overdraft.')),
      category: OneOf(ENTRY_CATEGORIES),
      book: OneOf(BOOKS, "The operator's side of the entry."),
      posted_after: Cents("The account's posted balance after the entry."),
      actor: ActorSchema('The actor of the operation.'),
      created_at: Instant('The time at which it was booked.'),
    }),
  },
  { $id: 'Entry' },
);

export function entryResource(account: AccountId, entry: EntryRow, audience: Audience) {
  const operation = idOfOperation(entry.kind, account, entry.number);
  return {
    type: 'entry',
    id: `${operation}_${entry.line}`,
    attributes: {
      operation,
      kind: entry.kind,
      line: entry.line,
      amount: formatCents(entry.amount),
      grant: entry.grant === null ? null : operationId('grt', account, entry.grant),
      category: entry.category,
      book: entry.book,
      posted_after: formatCents(entry.postedAfter),
      actor: actorResource(entry.actor, audience),
      created_at: formatInstant(entry.at),
    },
  };
}
