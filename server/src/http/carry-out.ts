import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccountId } from '../ledger/operations/ids.ts';
import type { Digest, Operation, Receipt } from '../ledger/operations/operations.ts';
import { operatorActor } from './entry.ts';
import type { ErrorCode } from './errors/codes.ts';
import { fingerprint, idempotencyDigest } from './idempotency.ts';
import type { RouteParts } from './parts.ts';
import { receiptOf } from './refusals.ts';

/** Carries out the operation that a route asks for: common to all routes that move money. */

/** The errors that each of these routes may answer besides its own refusals. */
export const MONEY_ERRORS = [
  'idempotency_key_reused',
  'overloaded',
  'account_busy',
  'clock_unreliable',
  'outcome_unknown',
] as const satisfies readonly ErrorCode[];

/** What a request asks under its idempotency key. */
interface Request<Kind extends string> {
  readonly kind: Kind;
  readonly account: AccountId;
  /** Null where an operation's id led to the account. */
  readonly accountPublicId: string | null;
  /** The ids of the path and the parsed values, in a fixed order: the fingerprint is made of them. */
  readonly values: readonly (string | number | bigint | null)[];
  readonly description: string | null;
  readonly metadata: string | null;
}

/** The members of an operation that say who asks for it and under which idempotency key. */
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

/** Carries an operation out, and marks the answer of a replay. Throws what a refusal answers. */
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

/** Whether the client of a request is still there. */
export function isWanted(request: FastifyRequest): () => boolean {
  return () => !request.raw.socket.destroyed;
}
