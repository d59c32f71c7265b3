import { hash } from 'node:crypto';
import { isWellFormed, OPERATOR_PREFIX } from './key-format.ts';
import type { KeyReads } from './key-reads.ts';
import { type Authenticate, NotAuthenticated, type Principal } from './principal.ts';

/** No key is longer; what is longer is refused without a look-up. */
const LONGEST_KEY = 512;

/** The two look-ups that authentication needs of the ledger's reads. */
export type KeyLookups = Pick<KeyReads, 'customerKey' | 'operatorKey'>;

/** Told of each key that was valid, so that its last use can be shown. Must be cheap. */
export type OnKeyUsed = (kind: Principal['kind'], id: string) => void;

/** The header of a Bearer token (RFC 6750 §2.1); the scheme is written in any case. */
const BEARER = /^bearer +(\S.*)$/i;

/**
 * The key that a request presents: that of `X-API-Key` or, if that is absent or empty, the Bearer token
 * of `Authorization`. Undefined: it presents none.
 */
export function keyIn(headers: Parameters<Authenticate>[0]['headers']): string | undefined {
  const { 'x-api-key': key, authorization } = headers;
  if (key !== undefined && key !== '') return String(key);
  return BEARER.exec(String(authorization))?.[1];
}

/**
 * Authenticates by the key that a request presents. The key is read in PostgreSQL each time, so a
 * revocation counts from the very next request.
 */
export function authenticateByKey(keys: KeyLookups, onKeyUsed: OnKeyUsed): Authenticate {
  return ({ headers }) => {
    const key = keyIn(headers);
    if (key === undefined) return Promise.reject(new NotAuthenticated('missing'));
    if (key.length > LONGEST_KEY) return Promise.reject(new NotAuthenticated('invalid'));
    return key.startsWith(OPERATOR_PREFIX)
      ? authenticateOperator(keys, key, onKeyUsed)
      : authenticateCustomer(keys, key, onKeyUsed);
  };
}

function authenticateCustomer(
  keys: KeyLookups,
  key: string,
  onKeyUsed: OnKeyUsed,
): Promise<Principal> {
  return keys.customerKey(sha256(key)).then((read) => {
    if (!read?.isValid) throw new NotAuthenticated('invalid');
    onKeyUsed('customer', read.apiKeyId);
    return read;
  });
}

function authenticateOperator(
  keys: KeyLookups,
  key: string,
  onKeyUsed: OnKeyUsed,
): Promise<Principal> {
  // Every operator key was made here, so one with a wrong checksum cannot be known.
  if (!isWellFormed(OPERATOR_PREFIX, key)) return Promise.reject(new NotAuthenticated('invalid'));
  return keys.operatorKey(sha256(key)).then((read) => {
    if (!read) throw new NotAuthenticated('invalid');
    onKeyUsed('operator', read.operatorKeyId);
    return read;
  });
}

/**
 * SHA-256 of a key as it came over the wire, in hex: Node gives a header's bytes as Latin-1 characters.
 */
export function sha256(key: string): string {
  return hash('sha256', Buffer.from(key, 'latin1'), 'hex');
}
