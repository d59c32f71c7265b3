import { Type } from 'typebox';
import { operationId } from '../../../ledger/operations/ids.ts';
import { formatCents } from '../../../ledger/operations/money.ts';
import type { Receipt } from '../../../ledger/operations/operations.ts';
import {
  AccountPublicId,
  Cents,
  Instant,
  OneOf,
  OperationId,
  OrNull,
  Reason,
} from '../../input/formats.ts';
import { formatInstant } from '../../input/instants.ts';
import { ActorSchema, actorResource } from '../../resources/actor.ts';
import { GRANT_CATEGORIES } from '../../resources/grant.ts';
import { GrantSlices, slicesResource } from '../../resources/slices.ts';

export const AdjustmentResource = Type.Object(
  {
    type: Type.Literal('adjustment'),
    id: OperationId('adj', 'The adjustment.'),
    attributes: Type.Object({
      account: AccountPublicId('The account that was adjusted.'),
      amount: Cents('Above zero: credit was added.'),
      category: OrNull(OneOf(GRANT_CATEGORIES, 'The category of the grant that it made.')),
      grant: OrNull(OperationId('grt', 'The grant that it made; null below zero.')),
      available: Cents('The credit that the account had after it.'),
      grants: GrantSlices('The credit that moved, by grant; below zero the burned credit.'),
      reason: Reason(),
      actor: ActorSchema('The actor that made it.'),
      created_at: Instant('The time at which it was made.'),
    }),
  },
  { $id: 'Adjustment' },
);

export function adjustmentResource(receipt: Receipt) {
  const { account, number, terms } = receipt;
  return {
    type: 'adjustment',
    id: operationId('adj', account, number),
    attributes: {
      account: receipt.accountPublicId,
      amount: formatCents(receipt.amount),
      category: terms?.category ?? null,
      grant: terms === null ? null : operationId('grt', account, number),
      available: formatCents(receipt.availableAfter),
      grants: slicesResource(receipt, 1n),
      reason: receipt.description,
      actor: actorResource(receipt.actor, 'operator'),
      created_at: formatInstant(receipt.at),
    },
  };
}
