import { Type } from 'typebox';
import { operationId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import type { Receipt } from '../../ledger/operations/operations.ts';
import { Cents, OperationId, OrNull } from '../input/formats.ts';

/** The grants that an operation moved, each with its amount. */
export const GrantSlices = (description: string) =>
  Type.Array(
    Type.Object({
      grant: OrNull(OperationId('grt', 'The grant; null is the overdraft.')),
      amount: Cents('The part of the amount.'),
    }),
    { description },
  );

/** `sign` is -1 if amounts that left a grant are shown as positive. */
export function slicesResource({ account, entries }: Receipt, sign: 1n | -1n) {
  return entries.map(({ grant, amount }) => ({
    grant: grant === null ? null : operationId('grt', account, grant),
    amount: formatCents(sign * amount),
  }));
}
