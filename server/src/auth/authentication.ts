import { hash } from 'node:crypto';
import { isWellFormed, OPERATOR_PREFIX } from './key-format.ts';
import type { BalanceRead, KeyRead, KeyReads } from './key-reads.ts';
import { LOCAL_OPERATOR, type Principal } from './principal.ts';

/** No key is longer: a longer one is refused without a look-up. */
const LONGEST_KEY = 512;

/** A request's principal, and the balance that the same statement has read. */
export interface Authenticated {
  readonly principal: Principal;
  /** The balance of a customer's account; null for any other principal. */
  readonly balance: BalanceRead | null;
}

/**
 * Authenticates a request. Rejects with `NotAuthenticated`, or with `DatabaseUnavailable` if the key
 * cannot be looked up now.
 */
export type Authenticate = (request: {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}) => Promise<Authenticated>;

/** The request carries no key, or one that is not valid now. The answer never tells why. */
export class NotAuthenticated extends Error {
  readonly reason: 'missing' | 'invalid';

  constructor(reason: 'missing' | 'invalid') {
    super(reason === 'missing' ? 'no API key' : 'invalid API key');
    this.name = 'NotAuthenticated';
    this.reason = reason;
  }
}

/** The look-ups that authentication needs. */
export type KeyLookups = Pick<KeyReads, 'customerKey' | 'operatorKey'>;

/** Called with each valid key, so that its last use can be shown. Must be cheap. */
export type OnKeyUsed = (kind: KeyRead['principal']['kind'], id: string) => void;

/** A Bearer token (RFC 6750 §2.1); the case of the scheme does not matter. */
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
 * Authenticates by the key that a request presents. Each request reads its key in PostgreSQL, so a
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
): Promise<KeyRead> {
  return keys.customerKey(sha256(key)).then((read) => {
    if (!read?.isValid) throw new NotAuthenticated('invalid');
    onKeyUsed('customer', read.principal.apiKeyId);
    return read;
  });
}

function authenticateOperator(
  keys: KeyLookups,
  key: string,
  onKeyUsed: OnKeyUsed,
): Promise<KeyRead> {
  // Purser made every operator key, so a wrong checksum proves that this key is unknown.
  if (!isWellFormed(OPERATOR_PREFIX, key)) return Promise.reject(new NotAuthenticated('invalid'));
  return keys.operatorKey(sha256(key)).then((read) => {
    if (!read) throw new NotAuthenticated('invalid');
    onKeyUsed('operator', read.principal.operatorKeyId);
    return read;
  });
}

/** Authenticates every request as the operator on this machine. */
export const authenticateLocally: Authenticate = async () => ({
  principal: LOCAL_OPERATOR,
  balance: null,
});

/**
 * SHA-256 of a key as it came over the wire, in hex: Node gives a header's bytes as Latin-1 characters.
 */
export function sha256(key: string): string {
  return hash('sha256', Buffer.from(key, 'latin1'), 'hex');
}
