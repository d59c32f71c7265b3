import { Type } from 'typebox';
import { formatCents } from '../../../ledger/operations/money.ts';
import { ApiError } from '../../errors/api-error.ts';
import { AccountPublicId, Cents, OperationId, OrNull } from '../../input/formats.ts';
import { idOfOperation } from '../../resources/entry.ts';
import type { Authorization } from './decision.ts';

export const AuthorizationResource = Type.Object(
  {
    type: Type.Literal('authorization'),
    id: OrNull(Type.String({ description: 'The charge or hold; null if there is none.' })),
    attributes: Type.Object({
      allowed: Type.Boolean(),
      account: OrNull(AccountPublicId("The key's account; null if the key is unknown.")),
      available: OrNull(Cents('The credit that the account has left; null if the key is unknown.')),
      charge_id: OrNull(OperationId('chg', 'The charge.')),
      hold_id: OrNull(OperationId('hld', 'The hold.')),
      status: Type.Optional(
        Type.Integer({
          description: 'If it is refused: the status for the answer to the customer.',
        }),
      ),
      body: Type.Optional(
        Type.Record(Type.String(), Type.Unknown(), {
          description: 'If it is refused: the body for the answer to the customer.',
        }),
      ),
      error: Type.Optional(
        Type.Object(
          {
            status: Type.Integer({
              description: 'The status that the same request alone would be answered with.',
            }),
            code: Type.String({ examples: ['idempotency_key_reused'] }),
            detail: Type.String({ description: 'The error, and the cure.' }),
          },
          {
            description:
              'In a batch: the error in this item, if nothing was decided. It is not for the customer.',
          },
        ),
      ),
    }),
  },
  { $id: 'Authorization' },
);

export function authorizationResource(authorization: Authorization) {
  const { accountPublicId, available, receipt, refused } = authorization;
  const idOf = (kind: 'charge' | 'hold') =>
    receipt?.kind === kind ? idOfOperation(kind, receipt.account, receipt.number) : null;
  const [chargeId, holdId] = [idOf('charge'), idOf('hold')];
  return {
    type: 'authorization',
    id: chargeId ?? holdId,
    attributes: {
      allowed: refused === undefined,
      account: accountPublicId ?? null,
      available: available === undefined ? null : formatCents(available),
      charge_id: chargeId,
      hold_id: holdId,
      ...(refused && { status: refused.status, body: JSON.parse(refused.body) }),
    },
  };
}

/** The answer to an item of a batch. */
export function itemResource(item: Authorization | ApiError) {
  if (!(item instanceof ApiError)) return authorizationResource(item);
  const { status, code, message: detail } = item;
  return {
    type: 'authorization',
    id: null,
    attributes: {
      allowed: false,
      account: null,
      available: null,
      charge_id: null,
      hold_id: null,
      error: { status, code, detail },
    },
  };
}
