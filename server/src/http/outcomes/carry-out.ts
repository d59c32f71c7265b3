import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccountId } from '../../ledger/operations/ids.ts';
import type { Digest, Operation, Receipt } from '../../ledger/operations/operations.ts';
import { operatorActor } from '../door/audiences.ts';
import type { RouteParts } from '../door/parts.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { fingerprint, idempotencyDigest } from '../input/idempotency.ts';
import { receiptOf } from './refusals.ts';

/** Carries out the operations of the routes that move money. */

/** The errors of each of these routes besides its own refusals. */
export const MONEY_ERRORS = [
  'idempotency_key_reused',
  'overloaded',
  'account_busy',
  'clock_unreliable',
  'outcome_unknown',
] as const satisfies readonly ErrorCode[];

/** A request under an idempotency key. */
interface Request<Kind extends string> {
  readonly kind: Kind;
  readonly account: AccountId;
  /** Null if an operation's id named the account. */
  readonly accountPublicId: string | null;
  /** The ids of the path and the parsed values, in a fixed order, for the fingerprint. */
  readonly values: readonly (string | number | bigint | null)[];
  readonly description: string | null;
  readonly metadata: string | null;
}

/** The members that every operation has: its actor, its idempotency key and its texts. */
export function askedBy<Kind extends string>(request: FastifyRequest, asked: Request<Kind>) {
  const { kind, account, accountPublicId, values, description, metadata } = asked;
  return {
    kind,
    account,
    accountPublicId,
    actor: operatorActor(request),
    idempotencyDigest: idempotencyDigest(request.headers) as Digest,
    fingerprint: fingerprint(kind, [...values, description], metadata),
    description,
    metadata,
  };
}

/** Carries an operation out, and marks the answer of a replay. Throws the error of a refusal. */
export async function carryOut(
  { ledger }: Pick<RouteParts, 'ledger'>,
  request: FastifyRequest,
  reply: FastifyReply,
  operation: Operation,
): Promise<Receipt> {
  const outcome = await ledger.submit(operation, isWanted(request));
  const { receipt, replayed } = receiptOf(outcome);
  if (replayed) reply.header('idempotency-replayed', 'true');
  return receipt;
}

/** Tells whether the client of a request is still connected. */
export function isWanted(request: FastifyRequest): () => boolean {
  return () => !request.raw.socket.destroyed;
}
