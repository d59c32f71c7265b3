import { hash } from 'node:crypto';
import type { KeyReads } from '../ledger/reads.ts';
import { isWellFormed, OPERATOR_PREFIX } from './key-format.ts';
import { type Authenticate, NotAuthenticated, type Principal } from './principal.ts';

/** No key is longer; what is longer is refused without a look-up. */
const LONGEST_KEY = 512;

/** The two look-ups that authentication needs of the ledger's reads. */
export type KeyLookups = Pick<KeyReads, 'customerKey' | 'operatorKey'>;

/** Told of each key that was valid, so that its last use can be shown. Must be cheap. */
export type OnKeyUsed = (kind: Principal['kind'], id: string) => void;

/**
 * Authenticates by the header `X-API-Key`; every other header is ignored. The key is read in
 * PostgreSQL each time, so a revocation counts from the very next request.
 */
export function authenticateByKey(keys: KeyLookups, onKeyUsed: OnKeyUsed): Authenticate {
  return ({ headers }) => {
    const key = headers['x-api-key'];
    if (key === undefined || key === '') return Promise.reject(new NotAuthenticated('missing'));
    if (typeof key !== 'string' || key.length > LONGEST_KEY) {
      return Promise.reject(new NotAuthenticated('invalid'));
    }
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
