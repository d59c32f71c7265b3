import { Type } from 'typebox';
import { GRANT_STATUSES, type GrantRow } from '../../ledger/history/lists.ts';
import { type AccountId, operationId } from '../../ledger/operations/ids.ts';
import { formatCents } from '../../ledger/operations/money.ts';
import type { Receipt } from '../../ledger/operations/operations.ts';
import type { Audience } from '../door/audiences.ts';
import {
  AccountPublicId,
  Cents,
  Description,
  Instant,
  Metadata,
  OneOf,
  OperationId,
  OrNull,
  Scope,
} from '../input/formats.ts';
import { formatInstant, formatOptionalInstant } from '../input/instants.ts';
import { ActorSchema, actorResource } from './actor.ts';

export const GRANT_CATEGORIES = ['paid', 'promotional'] as const;

export const GrantResource = Type.Object(
  {
    type: Type.Literal('grant'),
    id: OperationId('grt', 'The grant.'),
    attributes: Type.Object({
      account: AccountPublicId('The account that got the credit.'),
      amount: Cents('The credit that was given.'),
      remaining: Cents('The rest of it.'),
      reserved: Cents('The part of `remaining` that open holds have reserved.'),
      status: OneOf(
        GRANT_STATUSES,
        '`pending`: to come; `active`: can be spent; `ended`: has expired, was voided or is used up.',
      ),
      used_up: Type.Boolean({
        description:
          'All of it was spent before it ended. Credit that is given back before `expires_at` makes it `active` again.',
      }),
      ended_at: OrNull(Instant('The time at which it expired or was voided.')),
      ended_by: OrNull(
        OneOf(['expiry', 'void'], 'The kind of its end; null if it has not ended, or is used up.'),
      ),
      category: OneOf(GRANT_CATEGORIES),
      priority: Type.Integer({ minimum: 0, maximum: 100, description: 'Lower burns first.' }),
      description: OrNull(Description()),
      metadata: OrNull(Metadata()),
      effective_at: Instant('The time from which on it can be spent.'),
      expires_at: OrNull(Instant('The time from which on it cannot be spent any more.')),
      applies_to: OrNull(
        Type.Array(Scope(), { description: 'The scopes that it pays for; null: everything.' }),
      ),
      actor: ActorSchema('The actor that gave it.'),
      created_at: Instant('The time at which it was given.'),
    }),
  },
  { $id: 'Grant' },
);

/** A grant in a list. `publicId` is that of `account`. */
export function grantResource(
  publicId: string,
  account: AccountId,
  grant: GrantRow,
  audience: Audience,
) {
  const { category, priority, expiresAt, appliesTo } = grant.terms;
  return {
    type: 'grant',
    id: operationId('grt', account, grant.number),
    attributes: {
      account: publicId,
      amount: formatCents(grant.amount),
      remaining: formatCents(grant.remaining),
      reserved: formatCents(grant.reserved),
      status: grant.status,
      used_up: grant.remaining === 0n && grant.endedBy === null,
      ended_at: formatOptionalInstant(grant.endedAt),
      ended_by: grant.endedBy,
      category,
      priority,
      description: grant.description,
      metadata: grant.metadata === null ? null : JSON.parse(grant.metadata),
      effective_at: formatInstant(grant.terms.effectiveAt),
      expires_at: formatOptionalInstant(expiresAt),
      applies_to: appliesTo,
      actor: actorResource(grant.actor, audience),
      created_at: formatInstant(grant.createdAt),
    },
  };
}

/** A grant at its creation. Every replay answers the same. */
export function newGrantResource(receipt: Receipt) {
  const { terms } = receipt;
  if (terms === null) throw new Error('the receipt of a grant names its terms');
  const own = receipt.entries.find(({ grant }) => grant === receipt.number);
  // The part that repaid an overdraft is spent already.
  const isToCome = terms.effectiveAt > receipt.at;
  const remaining = isToCome ? receipt.amount : (own?.amount ?? 0n);
  const grant: GrantRow = {
    number: receipt.number,
    amount: receipt.amount,
    remaining,
    reserved: 0n,
    status: isToCome ? 'pending' : remaining === 0n ? 'ended' : 'active',
    endedAt: null,
    endedBy: null,
    terms,
    createdAt: receipt.at,
    actor: receipt.actor,
    description: receipt.description,
    metadata: receipt.metadata,
  };
  return grantResource(receipt.accountPublicId, receipt.account, grant, 'operator');
}
