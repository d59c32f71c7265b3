import type { Statement } from '../../db/connection/database.ts';
import type { Digest } from '../../ledger/operations/operations.ts';

export interface IdempotentRequestRow {
  fingerprint: Digest;
  status: number;
  /** JSON text. */
  answer: string;
  secret_sha256: string | null;
  /** Null: the request made no secret, or its 24 hours are over. */
  secret_salt: string | null;
}

/** Serializes the retries of a request until the commit. $1 digest. */
export const lockIdempotentRequest: Statement = {
  name: 'lock_idempotent_request',
  text: `select pg_advisory_xact_lock(hashtextextended('idempotent_request:' || $1::text, 0))`,
};

/** The first answer to a request. $1 digest. */
export const findIdempotentRequest: Statement = {
  name: 'find_idempotent_request',
  text: `
    select fingerprint::text, status, answer::text, encode(secret_sha256, 'hex') as secret_sha256,
           case when at > clock_timestamp() - interval '24 hours'
                then encode(secret_salt, 'hex') end as secret_salt
    from idempotent_requests where idempotency_digest = $1`,
};

/** $1 digest, $2 fingerprint, $3 status, $4 JSON, $5 the secret's SHA-256 in hex, $6 its salt in hex. */
export const insertIdempotentRequest: Statement = {
  name: 'insert_idempotent_request',
  text: `
    insert into idempotent_requests
      (idempotency_digest, fingerprint, at, status, answer, secret_sha256, secret_salt)
    values ($1, $2, clock_timestamp(), $3, $4, decode($5, 'hex'), decode($6, 'hex'))`,
};

/** Deletes some expired salts. Uses the index idempotent_requests_salted; skips locked rows. */
export const forgetOldSalts: Statement = {
  name: 'forget_old_salts',
  text: `
    update idempotent_requests set secret_salt = null
    where idempotency_digest in (
      select idempotency_digest from idempotent_requests
      where secret_salt is not null and at <= clock_timestamp() - interval '24 hours'
      limit 100 for update skip locked)`,
};
