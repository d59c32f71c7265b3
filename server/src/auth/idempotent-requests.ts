import { hkdfSync, randomBytes } from 'node:crypto';
import type { Database, Sql } from '../db/connection/database.ts';
import type { Digest } from '../ledger/operations/operations.ts';
import { sha256 } from './authentication.ts';
import { CUSTOMER_PREFIX, newKey, RANDOM_BYTES } from './key-format.ts';
import * as sql from './sql/idempotent-requests.ts';

/**
 * Requests that make an account, a key or a key's new secret, each done once under its Idempotency-Key.
 * A repetition gets the first answer, for ever.
 *
 * Secrets are kept as hashes only, so a replay derives the secret again (adr/0009): HKDF (RFC 5869) of
 * the caller's own key and idempotency key, which are stored nowhere, with a salt that only the
 * database has. Neither alone gives it. The salt is forgotten after 24 hours.
 */

/** A request with an Idempotency-Key. */
export interface IdempotentRequest {
  readonly digest: Digest;
  readonly fingerprint: Digest;
  /** Known to the caller alone; never stored. */
  readonly callerSecret: string;
}

/** The result of a request: `resource` is answered and kept, `secret` is only answered. */
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
  /** The Idempotency-Key was used for another request. */
  | { readonly kind: 'reused' }
  /** The request was done, and its secret cannot be told: the salt is forgotten, or another key asks. */
  | { readonly kind: 'secret_not_kept'; readonly resource: Resource };

/** Makes something in a transaction; `newSecret` gives the text of a new customer key. */
export type Make = (tx: Sql, newSecret: () => string) => Promise<Made>;

const SALT_BYTES = 32;

/**
 * Does a request once. Repetitions at the same time wait for the first and get its answer. An error of
 * `make` is thrown on, and nothing is kept. Without a `request` everything is made anew.
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
