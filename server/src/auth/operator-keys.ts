import { uuidv7 } from 'uuidv7';
import type { Database, Sql } from '../db/connection/database.ts';
import { type Page, pageOf } from '../db/page.ts';
import { sha256 } from './authentication.ts';
import { maskKey, newKey, OPERATOR_PREFIX } from './key-format.ts';
import { OPERATOR_SCOPES, type OperatorScope } from './scopes.ts';
import * as sql from './sql/operator-keys.ts';

/** An operator key without its secret. */
export interface OperatorKey {
  readonly id: string;
  readonly name: string | null;
  readonly scopes: readonly string[];
  /** `prso_AbCd…wXyZ` */
  readonly masked: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  /** Up to 5 seconds behind (`KeyUses`). */
  readonly lastUsedAt: number | null;
}

/** Makes an operator key, by default with all scopes. `secret` is its text, which is stored nowhere. */
export async function createOperatorKey(
  database: Database,
  terms: {
    readonly name: string | null;
    readonly scopes: readonly OperatorScope[] | null;
    readonly expiresAt: number | null;
  },
): Promise<{ operatorKey: OperatorKey; secret: string }> {
  const id = uuidv7();
  const secret = newKey(OPERATOR_PREFIX);
  return database.transaction(async (tx) => {
    await tx.rows(sql.insertOperatorKey, [
      id,
      terms.name,
      [...(terms.scopes ?? OPERATOR_SCOPES)],
      maskKey(OPERATOR_PREFIX, secret),
      sha256(secret),
      terms.expiresAt === null ? null : new Date(terms.expiresAt).toISOString(),
    ]);
    const [row] = await tx.rows<sql.OperatorKeyRow>(sql.findOperatorKey, [id]);
    if (!row) throw new Error('a new operator key cannot be read');
    return { operatorKey: operatorKeyOf(row), secret };
  });
}

/** All operator keys, the newest first, with the revoked and expired ones. */
export async function listOperatorKeys(
  on: Sql,
  page: { limit: number; before?: string },
): Promise<Page<OperatorKey>> {
  const values = [page.before ?? null, page.limit + 1];
  const rows = await on.rows<sql.OperatorKeyRow>(sql.listOperatorKeys, values);
  return pageOf(rows.map(operatorKeyOf), page.limit);
}

/**
 * Revokes an operator key. Lanes hold a shared lock on the key while they decide. So once this has
 * resolved, no operation of the key can commit. A second call changes nothing. False: no such key.
 */
export async function revokeOperatorKey(database: Database, id: string): Promise<boolean> {
  return database.transaction(async (tx) => {
    await tx.rows(sql.lockOperatorKey, [id]);
    const [row] = await tx.rows(sql.findOperatorKey, [id]);
    if (!row) return false;
    await tx.rows(sql.revokeOperatorKey, [id]);
    return true;
  });
}

function operatorKeyOf(row: sql.OperatorKeyRow): OperatorKey {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    masked: row.masked,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}
