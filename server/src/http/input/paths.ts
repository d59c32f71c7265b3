import { Type } from 'typebox';
import type { Sql } from '../../db/connection/database.ts';
import { type Account, findAccount } from '../../ledger/accounts/accounts.ts';
import {
  ACCOUNT_PUBLIC_ID,
  type OperationRef,
  parseOperationId,
  parseUuidId,
} from '../../ledger/operations/ids.ts';
import { ApiError } from '../errors/api-error.ts';

/** Parsers of the ids in paths. An id of a wrong form is unknown: 404. */

export const ACCOUNT_PATH = Type.Object({ id: Type.String({ description: "The account's id." }) });
export const API_KEY_PATH = Type.Object({ id: Type.String({ description: "The key's id." }) });
export const CHARGE_PATH = Type.Object({ id: Type.String({ description: "The charge's id." }) });
export const GRANT_PATH = Type.Object({ id: Type.String({ description: "The grant's id." }) });
export const HOLD_PATH = Type.Object({ id: Type.String({ description: "The hold's id." }) });

/** The account's id in a path. Throws `account_not_found` for another form. */
export function accountIdIn({ id }: { readonly id: string }): string {
  if (!ACCOUNT_PUBLIC_ID.test(id)) throw new ApiError('account_not_found');
  return id;
}

/** The account that a path names. Throws `account_not_found`. */
export async function accountIn(on: Sql, path: { readonly id: string }): Promise<Account> {
  const account = await findAccount(on, accountIdIn(path));
  if (!account) throw new ApiError('account_not_found');
  return account;
}

/** The UUID of the API key that a path names. Throws `api_key_not_found`. */
export function apiKeyIdIn({ id }: { readonly id: string }): string {
  const uuid = parseUuidId('key', id);
  if (uuid === undefined) throw new ApiError('api_key_not_found');
  return uuid;
}

/** The charge that a path names. Throws `charge_not_found`. */
export function chargeIn({ id }: { readonly id: string }): OperationRef {
  const ref = parseOperationId('chg', id);
  if (!ref) throw new ApiError('charge_not_found');
  return ref;
}

/** The grant that a path names. Throws `grant_not_found`. */
export function grantIn({ id }: { readonly id: string }): OperationRef {
  const ref = parseOperationId('grt', id);
  if (!ref) throw new ApiError('grant_not_found');
  return ref;
}

/** The hold that a path names. Throws `hold_not_found`. */
export function holdIn({ id }: { readonly id: string }): OperationRef {
  const ref = parseOperationId('hld', id);
  if (!ref) throw new ApiError('hold_not_found');
  return ref;
}
