import { Type } from 'typebox';
import { operationId } from '../../../ledger/operations/ids.ts';
import { formatCents } from '../../../ledger/operations/money.ts';
import type { Receipt } from '../../../ledger/operations/operations.ts';
import { AccountPublicId, Cents, Instant, OperationId, Reason } from '../../input/formats.ts';
import { formatInstant } from '../../input/instants.ts';
import { ActorSchema, actorResource } from '../../resources/actor.ts';
import { GrantSlices, slicesResource } from '../../resources/slices.ts';

export const ReversalResource = Type.Object(
  {
    type: Type.Literal('reversal'),
    id: OperationId('rev', 'The reversal.'),
    attributes: Type.Object({
      account: AccountPublicId('The account that got the credit back.'),
      charge: OperationId('chg', 'The charge that it undoes.'),
      amount: Cents('The credit that was given back.'),
      available: Cents('The credit that the account had after it.'),
      grants: GrantSlices('The grants that got it back, the last payer first.'),
      reason: Reason(),
      actor: ActorSchema('The actor that gave it back.'),
      created_at: Instant('The time at which it was given back.'),
    }),
  },
  { $id: 'Reversal' },
);

export function reversalResource(receipt: Receipt) {
  const { account, number, subject } = receipt;
  if (subject === null) throw new Error('the receipt of a reversal names its charge');
  return {
    type: 'reversal',
    id: operationId('rev', account, number),
    attributes: {
      account: receipt.accountPublicId,
      charge: operationId('chg', account, subject),
      amount: formatCents(receipt.amount),
      available: formatCents(receipt.availableAfter),
      grants: slicesResource(receipt, 1n),
      reason: receipt.description,
      actor: actorResource(receipt.actor, 'operator'),
      created_at: formatInstant(receipt.at),
    },
  };
}
