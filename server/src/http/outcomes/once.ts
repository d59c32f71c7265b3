import type { FastifyReply, FastifyRequest } from 'fastify';
import { keyIn } from '../../auth/authentication.ts';
import { type Make, makeOnce } from '../../auth/idempotent-requests.ts';
import { digestOf } from '../../ledger/operations/digest.ts';
import type { RouteParts } from '../door/parts.ts';
import { ApiError } from '../errors/api-error.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { fingerprint, optionalIdempotencyKey } from '../input/idempotency.ts';

/** The optional Idempotency-Key of the routes that make accounts, keys and secrets. */

/** A request that may carry an Idempotency-Key. */
interface Asked {
  readonly kind: 'account' | 'api_key' | 'rotation';
  /** The account in which the Idempotency-Key is unique; null: it is unique among new accounts. */
  readonly accountPublicId: string | null;
  /** The ids of the path and the parsed values, in a fixed order, for the fingerprint. */
  readonly values: readonly (string | number | null)[];
}

/** The errors of every route that answers a secret. */
export const SECRET_ERRORS = ['secret_not_kept'] as const satisfies readonly ErrorCode[];

/** Makes a resource, only once if the request has an Idempotency-Key, and answers it. */
export async function answerOnce(
  { database }: Pick<RouteParts, 'database'>,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Asked,
  make: Make,
): Promise<FastifyReply> {
  const outcome = await makeOnce(database, idempotentRequest(request, asked), make);
  switch (outcome.kind) {
    case 'reused':
      throw new ApiError('idempotency_key_reused');
    case 'secret_not_kept':
      throw new ApiError('secret_not_kept', {
        detail: `This Idempotency-Key made a secret of the API key ${outcome.resource.id}, which is answered again for 24 hours to the operator key that asked first: rotate the API key for a new one`,
        members: { api_key_id: outcome.resource.id },
      });
    case 'replayed':
      reply.header('idempotency-replayed', 'true');
      break;
    case 'made':
  }
  const { status, resource, secret } = outcome;
  const attributes = { ...resource.attributes, ...(secret !== undefined && { key: secret }) };
  return reply.code(status).send({ data: { ...resource, attributes } });
}

function idempotentRequest(request: FastifyRequest, { kind, accountPublicId, values }: Asked) {
  const key = optionalIdempotencyKey(request.headers);
  if (key === undefined) return undefined;
  return {
    digest: digestOf(`once\0${accountPublicId ?? ''}\0${key}`),
    fingerprint: fingerprint(kind, values, null),
    // The operator on this machine has no key.
    callerSecret: `${keyIn(request.headers) ?? ''}\0${key}`,
  };
}
