import { Type } from 'typebox';
import { uuidId } from '../../ledger/operations/ids.ts';
import type { ActorKind } from '../../ledger/operations/kinds.ts';
import type { Actor } from '../../ledger/operations/operations.ts';
import type { Audience } from '../door/audiences.ts';
import { OneOf, OrNull } from '../input/formats.ts';

type ActorType = 'operator' | 'operator_key' | 'local' | 'api_key' | 'system';

const TYPES: readonly ActorType[] = ['operator', 'operator_key', 'local', 'api_key', 'system'];

export const ActorSchema = (description: string) =>
  OrNull(
    Type.Object(
      {
        type: OneOf(
          TYPES,
          "`operator_key`: the operator's backend; `local`: the operator's command line; `api_key`: a customer's key; `system`: Purser itself. Customers see `operator` for the first two.",
        ),
        id: OrNull(
          Type.String({
            description:
              'The id of the key, or the part of the system: `sweeper` books due events, `gateway` settles calls. Null for `operator` and `local`.',
            examples: ['gateway'],
          }),
        ),
      },
      { description: `${description} Null for operations from before actors were kept.` },
    ),
  );

type ActorResource = { readonly type: ActorType; readonly id: string | null };

/** An actor for an audience. Customers do not learn which operator key it was. */
export function actorResource(actor: Actor | null, audience: Audience): ActorResource | null {
  if (actor === null) return null;
  const isOperator = actor.kind === 'operator_key' || actor.kind === 'local';
  if (isOperator && audience === 'customer') return { type: 'operator', id: null };
  return RESOURCES[actor.kind](actor.id ?? '');
}

const RESOURCES: Readonly<Record<ActorKind, (id: string) => ActorResource>> = {
  operator_key: (id) => ({ type: 'operator_key', id: uuidId('opk', id) }),
  api_key: (id) => ({ type: 'api_key', id: uuidId('key', id) }),
  local: () => ({ type: 'local', id: null }),
  sweeper: () => ({ type: 'system', id: 'sweeper' }),
  gateway: () => ({ type: 'system', id: 'gateway' }),
};
