import { Type } from 'typebox';
import type { Hold } from '../../../ledger/history/holds.ts';
import { operationId, uuidId } from '../../../ledger/operations/ids.ts';
import { formatCents } from '../../../ledger/operations/money.ts';
import type { Receipt } from '../../../ledger/operations/operations.ts';
import {
  AccountPublicId,
  ApiKeyId,
  Cents,
  Description,
  Instant,
  Metadata,
  OneOf,
  OperationId,
  OrNull,
  Scope,
} from '../../input/formats.ts';
import { formatInstant, formatOptionalInstant } from '../../input/instants.ts';
import { ActorSchema, actorResource } from '../../resources/actor.ts';

const STATUSES = ['open', 'captured', 'voided', 'expired'] as const;

export const HoldResource = Type.Object(
  {
    type: Type.Literal('hold'),
    id: OperationId('hld', 'The hold.'),
    attributes: Type.Object({
      account: AccountPublicId('The account that has the credit.'),
      amount: Cents('The reserved credit.'),
      status: OneOf(STATUSES),
      captured: OrNull(Cents('The charged cost, overage included; null unless it was captured.')),
      charge_id: OrNull(OperationId('chg', 'The charge that it became.')),
      overage_charge_id: OrNull(OperationId('chg', 'The second charge, for the cost above it.')),
      available: Type.Optional(Cents('The credit that the account had left after this.')),
      scope: OrNull(Scope('The product that it is for.')),
      api_key_id: OrNull(ApiKeyId("The customer's key that makes the call.")),
      description: OrNull(Description()),
      metadata: OrNull(Metadata()),
      expires_at: Instant('The time at which it is given back by itself.'),
      ended_at: OrNull(Instant('The time at which it was captured, voided or given back.')),
      actor: ActorSchema('The actor that made it.'),
      ended_by_actor: ActorSchema(
        'The actor that captured, voided or gave it back; null while it is open.',
      ),
      created_at: Instant('The time at which it was made.'),
    }),
  },
  { $id: 'Hold' },
);

const ENDED = { capture: 'captured', void: 'voided', expiry: 'expired' } as const;

/** A hold and its ending. `available` is known only if it was just made or ended. */
export function holdResource(hold: Hold, available?: bigint) {
  const { account, terms, ending } = hold;
  const chargeId = (number: bigint | null | undefined) =>
    number === null || number === undefined ? null : operationId('chg', account, number);
  return {
    type: 'hold',
    id: operationId('hld', account, terms.number),
    attributes: {
      account: hold.accountPublicId,
      amount: formatCents(terms.amount),
      status: ending === null ? 'open' : ENDED[ending.by],
      captured: ending?.by === 'capture' ? formatCents(ending.captured) : null,
      charge_id: chargeId(ending?.charge),
      overage_charge_id: chargeId(ending?.overage?.number),
      ...(available !== undefined && { available: formatCents(available) }),
      scope: terms.scope,
      api_key_id: terms.apiKeyId === null ? null : uuidId('key', terms.apiKeyId),
      description: terms.description,
      metadata: terms.metadata === null ? null : JSON.parse(terms.metadata),
      expires_at: formatInstant(terms.expiresAt),
      ended_at: formatOptionalInstant(ending?.at ?? null),
      actor: actorResource(terms.actor, 'operator'),
      ended_by_actor: actorResource(ending?.actor ?? null, 'operator'),
      created_at: formatInstant(terms.at),
    },
  };
}

/** A hold at its creation. Every replay answers the same. */
export function newHoldResource(receipt: Receipt) {
  const { account, accountPublicId, expiresAt, availableAfter } = receipt;
  if (expiresAt === null) throw new Error('the receipt of a hold names its expiry');
  const terms = { ...receipt, expiresAt };
  return holdResource({ account, accountPublicId, terms, ending: null }, availableAfter);
}

/** A hold after its capture or void. Every replay answers the same. */
export function endedHoldResource(receipt: Receipt) {
  const { account, accountPublicId, hold, at, actor, availableAfter } = receipt;
  if (hold === null) throw new Error('the receipt of the end of a hold has the hold');
  const isCapture = receipt.kind === 'capture';
  const ending = {
    at,
    actor,
    by: isCapture ? ('capture' as const) : ('void' as const),
    captured: isCapture ? receipt.amount + (receipt.overage?.amount ?? 0n) : 0n,
    charge: isCapture ? receipt.number : null,
    overage: receipt.overage,
  };
  return holdResource({ account, accountPublicId, terms: hold, ending }, availableAfter);
}
