import { uuidv7 } from 'uuidv7';
import type { Database, Sql } from '../db/connection/database.ts';
import { type Page, pageOf } from '../db/page.ts';
import { lockBalance } from '../ledger/accounts/accounts.ts';
import type { AccountId } from '../ledger/operations/ids.ts';
import { sha256 } from './authentication.ts';
import { CUSTOMER_PREFIX, maskKey, newKey } from './key-format.ts';
import { DEFAULT_CUSTOMER_SCOPES } from './scopes.ts';
import * as sql from './sql/api-keys.ts';
import { operatorKeyBySecret } from './sql/operator-keys.ts';

/**
 * The most secrets of one key that are valid at once. After a leak a customer must find all of them.
 * Five let deployments overlap, and stop a client that rotates in a loop.
 */
const MOST_SECRETS = 5;

/** A customer's key without its secret, of which only the hash is stored. */
export interface ApiKey {
  readonly id: string;
  readonly account: AccountId;
  readonly accountPublicId: string;
  readonly name: string | null;
  readonly scopes: readonly string[];
  /** `prsr_AbCd…wXyZ`; null: the key was imported as a hash. */
  readonly masked: string | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  /** Up to 5 seconds behind (`KeyUses`). */
  readonly lastUsedAt: number | null;
}

/** The terms of a new key. Without scopes it gets `DEFAULT_CUSTOMER_SCOPES`. */
export interface ApiKeyTerms {
  readonly name: string | null;
  readonly scopes: readonly string[] | null;
  readonly expiresAt: number | null;
}

/** Makes a key in an existing account. `secret` is its text, which is stored nowhere. */
export async function createApiKey(
  on: Sql,
  account: AccountId,
  terms: ApiKeyTerms,
  secret = newKey(CUSTOMER_PREFIX),
): Promise<{ apiKey: ApiKey; secret: string }> {
  const masked = maskKey(CUSTOMER_PREFIX, secret);
  const apiKey = await insert(on, account, { ...terms, masked, sha256: sha256(secret) });
  if (!apiKey) throw new Error('a new key has the hash of another one');
  return { apiKey, secret };
}

/** The result of the import of a hash. A hash belongs to one key for ever. */
export type ApiKeyImport =
  | { readonly imported: ApiKey }
  /** The account has this key already; the import changed nothing. */
  | { readonly existing: ApiKey }
  /** The hash belongs to another account's key or to an operator key. */
  | { readonly taken: true };

/** Imports a key that a customer has already, by the SHA-256 of its secret. */
export async function importApiKey(
  on: Sql,
  account: AccountId,
  terms: ApiKeyTerms & { readonly sha256: string },
): Promise<ApiKeyImport> {
  const operatorKeys = await on.rows(operatorKeyBySecret, [terms.sha256]);
  if (operatorKeys.length > 0) return { taken: true };
  const imported = await insert(on, account, { ...terms, masked: null });
  if (imported) return { imported };
  const known = await findBySecret(on, terms.sha256);
  if (!known) throw new Error('a key that is in the way cannot be read');
  return known.account === account ? { existing: known } : { taken: true };
}

/** An account's keys, the newest first, with the revoked and expired ones. */
export async function listApiKeys(
  on: Sql,
  account: AccountId,
  page: { limit: number; before?: string },
): Promise<Page<ApiKey>> {
  const values = [account, page.before ?? null, page.limit + 1];
  const rows = await on.rows<sql.ApiKeyRow>(sql.listApiKeys, values);
  return pageOf(rows.map(apiKeyOf), page.limit);
}

/**
 * Revokes a key under its account's lock. Once this has resolved, no operation that was decided while
 * the key was valid can commit (README §8). A second call changes nothing. False: there is no such key.
 */
export async function revokeApiKey(database: Database, id: string): Promise<boolean> {
  return database.transaction(async (tx) => {
    if (!(await lockedApiKey(tx, id))) return false;
    await tx.rows(sql.revokeApiKey, [id]);
    return true;
  });
}

/** The changes to a key. Absent members stay as they are. */
export interface ApiKeyChange {
  readonly name?: string;
  readonly scopes?: readonly string[];
  /** Null: it never expires. */
  readonly expiresAt?: number | null;
}

/** The reason why a key cannot be changed. */
export interface Inactive {
  readonly inactive: 'revoked' | 'expired';
}

/**
 * Changes a key under its account's lock. Once this has resolved, no operation that was decided on the
 * old scopes or expiry can commit. An expired key may get a later expiry; a revoked one cannot be
 * changed. Undefined: there is no such key.
 */
export async function changeApiKey(
  database: Database,
  id: string,
  { name, scopes, expiresAt }: ApiKeyChange,
): Promise<{ apiKey: ApiKey } | Inactive | undefined> {
  return database.transaction(async (tx) => {
    const apiKey = await lockedApiKey(tx, id);
    if (!apiKey) return undefined;
    if (apiKey.revokedAt !== null) return { inactive: 'revoked' };
    await tx.rows(sql.changeApiKey, [
      id,
      name ?? null,
      scopes ? [...scopes] : null,
      expiresAt !== undefined,
      instant(expiresAt ?? null),
    ]);
    return { apiKey: await apiKeyIn(tx, id) };
  });
}

/** A rotation was refused because too many secrets would be valid. */
export interface TooManySecrets {
  readonly mostSecrets: number;
  /** The instant at which the first of them expires. */
  readonly firstEnd: number;
}

/**
 * Gives a key a new secret under its account's lock, in the caller's transaction. Earlier secrets expire
 * after `graceS` seconds, or at their own expiry if that is sooner. With 0, no operation that was decided
 * by them can commit once the transaction has. A promised grace is never shortened to make room; with 0
 * there is always room. Undefined: there is no such key.
 */
export async function rotateApiKeyIn(
  tx: Sql,
  id: string,
  graceS: number,
  secret: string,
): Promise<{ apiKey: ApiKey } | Inactive | TooManySecrets | undefined> {
  if (!(await lockedApiKey(tx, id))) return undefined;
  const [state] = await tx.rows<sql.ApiKeyStateRow>(sql.apiKeyState, [id]);
  if (!state) throw new Error('a key has gone under its lock');
  if (state.inactive) return { inactive: state.inactive };
  const { secrets, first_end: firstEnd } = state;
  if (graceS > 0 && firstEnd !== null && secrets >= MOST_SECRETS) {
    return { mostSecrets: MOST_SECRETS, firstEnd };
  }
  await tx.rows(sql.endApiKeySecrets, [id, graceS]);
  const inserted = await tx.rows(sql.insertApiKeySecret, [sha256(secret), id]);
  if (inserted.length === 0) throw new Error('a new key has the hash of another one');
  await tx.rows(sql.changeMasked, [id, maskKey(CUSTOMER_PREFIX, secret)]);
  return { apiKey: await apiKeyIn(tx, id) };
}

/** A key in any state. */
export async function findApiKey(on: Sql, id: string): Promise<ApiKey | undefined> {
  const [row] = await on.rows<sql.ApiKeyRow>(sql.findApiKey, [id]);
  return row && apiKeyOf(row);
}

/** Locks the account of a key, then reads the key. */
async function lockedApiKey(tx: Sql, id: string): Promise<ApiKey | undefined> {
  const apiKey = await findApiKey(tx, id);
  if (!apiKey) return undefined;
  await lockBalance(tx, apiKey.account);
  return findApiKey(tx, id);
}

/** Reads a key that exists. */
async function apiKeyIn(on: Sql, id: string): Promise<ApiKey> {
  const apiKey = await findApiKey(on, id);
  if (!apiKey) throw new Error('a key has gone under its lock');
  return apiKey;
}

function instant(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

/** Undefined: the secret belongs to a customer's key already. */
async function insert(
  on: Sql,
  account: AccountId,
  key: ApiKeyTerms & { readonly masked: string | null; readonly sha256: string },
): Promise<ApiKey | undefined> {
  const id = uuidv7();
  const inserted = await on.rows(sql.insertApiKey, [
    id,
    account,
    key.name,
    [...(key.scopes ?? DEFAULT_CUSTOMER_SCOPES)],
    key.masked,
    instant(key.expiresAt),
    key.sha256,
  ]);
  return inserted.length === 0 ? undefined : apiKeyIn(on, id);
}

async function findBySecret(on: Sql, hash: string): Promise<ApiKey | undefined> {
  const [row] = await on.rows<sql.ApiKeyRow>(sql.findApiKeyBySecret, [hash]);
  return row && apiKeyOf(row);
}

function apiKeyOf(row: sql.ApiKeyRow): ApiKey {
  return {
    id: row.id,
    account: row.account_id as AccountId,
    accountPublicId: row.account_public_id,
    name: row.name,
    scopes: row.scopes,
    masked: row.masked,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}
