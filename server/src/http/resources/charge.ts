import { Type } from 'typebox';
import type { Charge } from '../../ledger/history.ts';
import { operationId, uuidId } from '../../ledger/ids.ts';
import { formatCents } from '../../ledger/money.ts';
import type { Receipt } from '../../ledger/operations.ts';
import {
  AccountPublicId,
  ApiKeyId,
  Cents,
  Description,
  Instant,
  Metadata,
  OperationId,
  OrNull,
  Scope,
} from '../formats.ts';
import { formatInstant } from '../instants.ts';
import { GrantSlices, slicesResource } from './slices.ts';

export const ChargeResource = Type.Object(
  {
    type: Type.Literal('charge'),
    id: OperationId('chg', 'The charge.'),
    attributes: Type.Object({
      account: AccountPublicId('The account that paid.'),
      amount: Cents('What it cost.'),
      available: Cents('What the account had left after it.'),
      grants: GrantSlices('Who paid, in burn order.'),
      reversed: Cents('What has been given back.'),
      hold: OrNull(OperationId('hld', 'The hold that it comes of.')),
      scope: OrNull(Scope('What the charge was for.')),
      api_key_id: OrNull(ApiKeyId("The customer's key that made the call.")),
      description: OrNull(Description()),
      metadata: OrNull(Metadata()),
      created_at: Instant('When it was charged.'),
    }),
  },
  { $id: 'Charge' },
);

/** A charge as it is now. */
export function chargeResource({ receipt, reversed }: Charge) {
  return resourceOf(receipt, reversed);
}

/** A charge as it was when it was made, which is what its creation and every replay of it answer. */
export function newChargeResource(receipt: Receipt) {
  return resourceOf(receipt, 0n);
}

function resourceOf(receipt: Receipt, reversed: bigint) {
  return {
    type: 'charge',
    id: operationId('chg', receipt.account, receipt.number),
    attributes: {
      account: receipt.accountPublicId,
      amount: formatCents(receipt.amount),
      available: formatCents(receipt.availableAfter),
      grants: slicesResource(receipt, -1n),
      reversed: formatCents(reversed),
      hold: receipt.hold === null ? null : operationId('hld', receipt.account, receipt.hold.number),
      scope: receipt.scope,
      api_key_id: receipt.apiKeyId === null ? null : uuidId('key', receipt.apiKeyId),
      description: receipt.description,
      metadata: receipt.metadata === null ? null : JSON.parse(receipt.metadata),
      created_at: formatInstant(receipt.at),
    },
  };
}
