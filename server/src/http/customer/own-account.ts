import type { FastifyRequest } from 'fastify';
import type { Account } from '../../ledger/accounts/accounts.ts';
import { accountIdOf } from '../../ledger/operations/ids.ts';
import { customerOf } from '../door/audiences.ts';

/** The account of the customer that asks. */
export function ownAccount(request: FastifyRequest): Pick<Account, 'id' | 'publicId'> {
  const { accountPublicId: publicId } = customerOf(request);
  return { id: accountIdOf(publicId), publicId };
}
