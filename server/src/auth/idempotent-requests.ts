import { hkdfSync, randomBytes } from 'node:crypto';
import type { Database, Sql } from '../db/connection/database.ts';
import type { Digest } from '../ledger/operations/operations.ts';
import { sha256 } from './authentication.ts';
import { CUSTOMER_PREFIX, newKey, RANDOM_BYTES } from './key-format.ts';
import * as sql from './sql/idempotent-requests.ts';

/**
 * Requests that make an account, a key or a key's new secret: each is done once under its
 * Idempotency-Key. A retry gets the first answer, for ever.
 *
 * Only hashes of secrets are stored, so a replay derives the secret again (adr/0009). It is the HKDF
 * (RFC 5869) of the caller's own key and idempotency key, with a salt. The first two are stored nowhere;
 * the salt is only in the database, for 24 hours.
 */

/** A request with an Idempotency-Key. */
export interface IdempotentRequest {
  readonly digest: Digest;
  readonly fingerprint: Digest;
  /** A secret of the caller; never stored. */
  readonly callerSecret: string;
}

/** The result of a request. `resource` is answered and stored; `secret` is only answered. */
export interface Made {
  readonly status: number;
  readonly resource: Resource;
  readonly secret?: string;
}

interface Resource {
  readonly id: string;
  readonly attributes: object;
}

export type OnceOutcome =
  | (Made & { readonly kind: 'made' | 'replayed' })
  /** The Idempotency-Key belongs to another request. */
  | { readonly kind: 'reused' }
  /** The request was done, but its secret cannot be derived: the salt is deleted, or another key asks. */
  | { readonly kind: 'secret_not_kept'; readonly resource: Resource };

/** Makes the resource in a transaction; `newSecret` returns the text of a new customer key. */
export type Make = (tx: Sql, newSecret: () => string) => Promise<Made>;

const SALT_BYTES = 32;

/**
 * Does a request once. Concurrent retries wait for the first and get its answer. An error of `make` is
 * rethrown, and nothing is stored. Without a `request` each call makes a new resource.
 */
export async function makeOnce(
  database: Database,
  request: IdempotentRequest | undefined,
  make: Make,
): Promise<OnceOutcome> {
  return database.transaction(async (tx): Promise<OnceOutcome> => {
    if (!request) return { kind: 'made', ...(await make(tx, () => newKey(CUSTOMER_PREFIX))) };
    const { digest, fingerprint, callerSecret } = request;
    await tx.rows(sql.lockIdempotentRequest, [digest]);
    const [known] = await tx.rows<sql.IdempotentRequestRow>(sql.findIdempotentRequest, [digest]);
    if (known) return replay(known, request);

    const salt = randomBytes(SALT_BYTES);
    const made = await make(tx, () => deriveKey(callerSecret, salt));
    await tx.rows(sql.forgetOldSalts);
    await tx.rows(sql.insertIdempotentRequest, [
      digest,
      fingerprint,
      made.status,
      JSON.stringify(made.resource),
      made.secret === undefined ? null : sha256(made.secret),
      made.secret === undefined ? null : salt.toString('hex'),
    ]);
    return { kind: 'made', ...made };
  });
}

function replay(row: sql.IdempotentRequestRow, request: IdempotentRequest): OnceOutcome {
  if (row.fingerprint !== request.fingerprint) return { kind: 'reused' };
  const resource: Resource = JSON.parse(row.answer);
  const first = { kind: 'replayed', status: row.status, resource } as const;
  if (row.secret_sha256 === null) return first;
  if (row.secret_salt === null) return { kind: 'secret_not_kept', resource };
  const secret = deriveKey(request.callerSecret, Buffer.from(row.secret_salt, 'hex'));
  const isTheSame = sha256(secret) === row.secret_sha256;
  return isTheSame ? { ...first, secret } : { kind: 'secret_not_kept', resource };
}

function deriveKey(callerSecret: string, salt: Buffer): string {
  const bytes = hkdfSync('sha256', callerSecret, salt, 'purser api key', RANDOM_BYTES);
  return newKey(CUSTOMER_PREFIX, Buffer.from(bytes));
}
