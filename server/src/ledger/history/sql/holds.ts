import type { Statement } from '../../../db/connection/database.ts';
import { type ActorColumns, actorColumns, type HoldColumns } from '../../lane/sql/receipts.ts';
import type { HoldEndingKind } from '../../operations/kinds.ts';
import { HOLD_ENDINGS } from '../../operations/sql/kinds.ts';

export interface HoldRow extends HoldColumns {
  public_id: string;
  clock: number;
  ended_by: HoldEndingKind | null;
  ended_at: number | null;
  ended_number: bigint | null;
  ended_actor: ActorColumns['actor'];
  ended_actor_id: string | null;
  ended_amount: bigint | null;
  overage_number: bigint | null;
  overage_amount: bigint | null;
}

/** A hold and how it ended, by the index operations_by_subject. $1 account, $2 number. */
export const findHold: Statement = {
  name: 'find_hold',
  text: `
    select a.public_id, o.at, o.amount, o.expires_at, o.scope, o.api_key_id, o.description,
           o.metadata::text as metadata, ${actorColumns('o')},
           date_trunc('milliseconds', clock_timestamp()) as clock, ${actorColumns('e', 'ended_')},
           e.kind as ended_by, e.at as ended_at, e.number as ended_number, e.amount as ended_amount,
           v.number as overage_number, v.amount as overage_amount
    from operations o
    join accounts a on a.id = o.account_id
    left join operations e
      on e.account_id = o.account_id and e.subject = o.number and e.kind in ${HOLD_ENDINGS}
    left join operations v
      on v.account_id = o.account_id and v.subject = o.number and v.kind = 'overage'
    where o.account_id = $1 and o.number = $2 and o.kind = 'hold'`,
};
