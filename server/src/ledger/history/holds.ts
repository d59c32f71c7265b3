import type { Sql } from '../../db/connection/database.ts';
import { clockFault } from '../lane/clock.ts';
import { actorOf, holdTermsOf } from '../lane/receipts.ts';
import type { AccountId, OperationRef } from '../operations/ids.ts';
import { type HoldEnding, KINDS } from '../operations/kinds.ts';
import { type Actor, type HoldTerms, SWEEPER } from '../operations/operations.ts';
import * as sql from './sql/holds.ts';

/** A hold, with its ending. */
export interface Hold {
  readonly account: AccountId;
  readonly accountPublicId: string;
  readonly terms: HoldTerms;
  /** Null: the hold is open. */
  readonly ending: {
    readonly by: HoldEnding;
    readonly at: number;
    readonly actor: Actor | null;
    /** For a capture: the amount charged, overage included, and the numbers of the charges. */
    readonly captured: bigint;
    readonly charge: bigint | null;
    readonly overage: { readonly number: bigint } | null;
  } | null;
}

/**
 * The hold with an id. A hold past its expiry has expired, even if that is not written yet, unless the
 * database's clock is not reliable.
 */
export async function findHold(on: Sql, ref: OperationRef): Promise<Hold | undefined> {
  const [row] = await on.rows<sql.HoldRow>(sql.findHold, [ref.account, ref.number]);
  if (!row) return undefined;
  return {
    account: ref.account,
    accountPublicId: row.public_id,
    terms: holdTermsOf(ref.number, row),
    ending: endingOf(row),
  };
}

function endingOf(row: sql.HoldRow): Hold['ending'] {
  const nothing = { captured: 0n, charge: null, overage: null };
  if (row.ended_by === null || row.ended_at === null || row.ended_number === null) {
    const isPast = row.expires_at <= row.clock && !clockFault({ ...row, lastAt: row.at });
    return isPast ? { by: 'expiry', at: row.expires_at, actor: SWEEPER, ...nothing } : null;
  }
  const by = KINDS[row.ended_by].endsHold;
  const actor = actorOf(row.ended_actor, row.ended_actor_id);
  if (by !== 'capture') return { by, at: row.ended_at, actor, ...nothing };
  return {
    by,
    at: row.ended_at,
    actor,
    captured: (row.ended_amount ?? 0n) + (row.overage_amount ?? 0n),
    charge: row.ended_number,
    overage: row.overage_number === null ? null : { number: row.overage_number },
  };
}
