import type { Database } from '../db/database.ts';
import { digestOf } from '../ledger/digest.ts';
import type { AccountId } from '../ledger/ids.ts';
import type { Digest } from '../ledger/operations.ts';
import * as sql from './sql.ts';

/**
 * Calls with an `Idempotency-Key` of the customer's. One attempt runs at a time; one that ended without
 * a delivered answer may be repeated, and what it paid is not paid again.
 */

/** How often one idempotency key may be forwarded: otherwise it would buy the upstream for ever. */
const MOST_ATTEMPTS = 5;

/** One attempt's right to an idempotency key. */
export interface CallClaim {
  readonly account: AccountId;
  readonly digest: Digest;
  readonly attempt: number;
  /** Names what the attempt pays, in the ledger. */
  readonly paymentDigest: Digest;
}

/** How an attempt ended: the answer was delivered; was not, but is paid; is not paid. */
export type ClaimOutcome = 'delivered' | 'paid' | 'free';

/** Why an idempotency key may not be tried. */
export class NotClaimed extends Error {
  readonly reason: 'reused' | 'in_progress' | 'already_answered' | 'used_up';

  constructor(reason: NotClaimed['reason']) {
    super(reason);
    this.name = 'NotClaimed';
    this.reason = reason;
  }
}

/** Claims a customer's idempotency key for `longestMs`. Rejects with NotClaimed. */
export async function claimCall(
  database: Database,
  account: AccountId,
  idempotencyKey: string,
  fingerprint: Digest,
  longestMs: number,
): Promise<CallClaim> {
  const digest = digestOf(`customer\0${idempotencyKey}`);
  const [claimed] = await database.rows<sql.ClaimRow>(sql.claim, [
    account,
    digest,
    fingerprint,
    longestMs,
    MOST_ATTEMPTS,
  ]);
  if (claimed) return claimOf(account, digest, claimed);
  const values = [account, digest, fingerprint];
  const [state] = await database.rows<sql.ClaimStateRow>(sql.readClaim, values);
  if (!state) throw new Error('a claim was neither made nor found');
  if (!state.is_same) throw new NotClaimed('reused');
  if (state.outcome === 'delivered') throw new NotClaimed('already_answered');
  throw new NotClaimed(
    state.attempts >= MOST_ATTEMPTS && !state.is_running ? 'used_up' : 'in_progress',
  );
}

/** The claim with another payment: the one before does not count any more. */
export async function renewPayment(database: Database, claim: CallClaim): Promise<CallClaim> {
  const { account, digest, attempt } = claim;
  const values = [account, digest, attempt];
  const [row] = await database.rows<sql.ClaimRow>(sql.renewPayment, values);
  if (!row) throw new NotClaimed('in_progress');
  return claimOf(account, digest, row);
}

/** Ends an attempt that was not forwarded: it does not count, and the next one has the same payment. */
export async function releaseClaim(
  database: Database,
  { account, digest, attempt }: CallClaim,
): Promise<void> {
  await database.rows(sql.releaseClaim, [account, digest, attempt]);
}

/** Ends an attempt; without effect where another has begun since. */
export async function endClaim(
  database: Database,
  { account, digest, attempt }: CallClaim,
  outcome: ClaimOutcome,
): Promise<void> {
  await database.rows(sql.endClaim, [account, digest, attempt, outcome]);
}

function claimOf(account: AccountId, digest: Digest, row: sql.ClaimRow): CallClaim {
  const paymentDigest = digestOf(`call\0${digest}\0${row.payment}`);
  return { account, digest, attempt: row.attempts, paymentDigest };
}
