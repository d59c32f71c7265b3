import { Type } from 'typebox';
import type { Charge } from '../../ledger/history/lists.ts';
import { operationId, uuidId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import type { CallText, Receipt } from '../../ledger/operations/operations.ts';
import type { Audience } from '../door/audiences.ts';
import {
  AccountPublicId,
  ApiKeyId,
  Cents,
  Description,
  Instant,
  Metadata,
  OperationId,
  OrNull,
  Quantities,
  RouteName,
  Scope,
} from '../input/formats.ts';
import { formatInstant } from '../input/instants.ts';
import { ActorSchema, actorResource } from './actor.ts';
import { GrantSlices, slicesResource } from './slices.ts';

export const ChargeResource = Type.Object(
  {
    type: Type.Literal('charge'),
    id: OperationId('chg', 'The charge.'),
    attributes: Type.Object({
      account: AccountPublicId('The account that paid.'),
      amount: Cents('The cost.'),
      available: Cents('The credit that the account had left after it.'),
      grants: GrantSlices('The grants that paid, in burn order.'),
      reversed: Cents('The part that has been given back.'),
      hold: OrNull(OperationId('hld', 'The hold that it comes from.')),
      scope: OrNull(Scope('The product that the charge was for.')),
      api_key_id: OrNull(ApiKeyId("The customer's key that made the call.")),
      call: OrNull(
        Type.Object(
          {
            route: RouteName('The route of the price book.'),
            price_version: Type.Integer({ minimum: 1, description: 'The version that priced it.' }),
            quantities: Quantities('The counts.'),
            choices: Type.Record(Type.String(), Type.String(), {
              description: 'The members of the request that chose a price, with their values.',
              examples: [{ model: 'gpt-5' }],
            }),
            ending: Type.String({
              description:
                'The ending of the call: `delivered`, or an ending of the settlement such as `upstream_timeout`. `in_progress`: it has not ended. `unknown`: the server died before it wrote the ending.',
              examples: ['delivered'],
            }),
            status: OrNull(Type.Integer({ description: "The status of the upstream's answer." })),
            late: Type.Boolean({
              description:
                'Whether it was charged after its hold had expired, because the database could not be reached. It may have taken the account below zero.',
            }),
          },
          { description: "The gateway's call that it paid for; null if no gateway made it." },
        ),
      ),
      description: OrNull(Description()),
      metadata: OrNull(Metadata()),
      actor: ActorSchema('The actor that charged it.'),
      created_at: Instant('The time at which it was charged.'),
    }),
  },
  { $id: 'Charge' },
);

/** A charge with its reversals and its call. */
export function chargeResource({ receipt, reversed, call }: Charge, audience: Audience) {
  return resourceOf(receipt, reversed, call, audience);
}

/** A charge at its creation. Every replay answers the same. */
export function newChargeResource(receipt: Receipt) {
  return resourceOf(receipt, 0n, null, 'operator');
}

function resourceOf(receipt: Receipt, reversed: bigint, call: Charge['call'], audience: Audience) {
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
      call: callOf(receipt, call),
      description: receipt.description,
      metadata: receipt.metadata === null ? null : JSON.parse(receipt.metadata),
      actor: actorResource(receipt.actor, audience),
      created_at: formatInstant(receipt.at),
    },
  };
}

function callOf({ call }: Receipt, ended: Charge['call']) {
  if (call === null || ended === null) return null;
  const { route, version, quantities, choices = {}, late = false } = JSON.parse(call) as CallText;
  return { route, price_version: version, quantities, choices, ...ended, late };
}
