import { randomBytes } from 'node:crypto';
import { base32crockford } from '@scure/base';
import type { OperationPrefix } from './kinds.ts';

/**
 * Identifiers (README §1).
 *
 * The public id of an account is 32 random bytes as 64 hex characters. Its first 16 bytes, as a UUID,
 * are the internal id. The public id of an operation is a prefix and, in Crockford's base32, the internal
 * id of its account and its number as 8 bytes. So an id leads to its account, lane and row without a
 * look-up.
 */

/** The internal id of an account: a UUID in its canonical text form. */
export type AccountId = string & { readonly brand: 'AccountId' };

/** The public id of an account: 64 lowercase hex characters. */
export const ACCOUNT_PUBLIC_ID = /^[0-9a-f]{64}$/;

export interface OperationRef {
  readonly account: AccountId;
  /** The operation's number in its account, from 1. */
  readonly number: bigint;
}

/** A new account's public id. */
export function newAccountPublicId(): string {
  return randomBytes(32).toString('hex');
}

/** The internal id that begins a public id, which must have the form `ACCOUNT_PUBLIC_ID`. */
export function accountIdOf(publicId: string): AccountId {
  return uuidOfHex(publicId.slice(0, 32)) as AccountId;
}

/** The public id of an operation: `chg_` and 39 characters. */
export function operationId(prefix: OperationPrefix, account: AccountId, number: bigint): string {
  const bytes = Buffer.allocUnsafe(24);
  bytes.write(account.replaceAll('-', ''), 'hex');
  bytes.writeBigUInt64BE(number, 16);
  return `${prefix}_${encodeBase32(bytes)}`;
}

/** The account and number in an operation's public id; undefined: it is no id with that prefix. */
export function parseOperationId(prefix: OperationPrefix, id: string): OperationRef | undefined {
  const bytes = parsePrefixed(prefix, id, 24);
  if (bytes === undefined) return undefined;
  const number = bytes.readBigInt64BE(16);
  if (number < 1n) return undefined;
  return { account: uuidOfHex(bytes.toString('hex', 0, 16)) as AccountId, number };
}

/** The public id of a key, from its UUID: `key_` and 26 characters. */
export function uuidId(prefix: 'key' | 'opk', uuid: string): string {
  return `${prefix}_${encodeBase32(Buffer.from(uuid.replaceAll('-', ''), 'hex'))}`;
}

/** The UUID in a key's public id; undefined: it is no id with that prefix. */
export function parseUuidId(prefix: 'key' | 'opk', id: string): string | undefined {
  const bytes = parsePrefixed(prefix, id, 16);
  return bytes && uuidOfHex(bytes.toString('hex'));
}

function parsePrefixed(prefix: string, id: string, length: number): Buffer | undefined {
  if (!id.startsWith(`${prefix}_`)) return undefined;
  return decodeBase32(id.slice(prefix.length + 1), length);
}

function uuidOfHex(hex: string): string {
  const starts = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}`;
  return `${starts}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Crockford's base32 (https://www.crockford.com/base32.html) in lower case: five bits a character, the
 * most significant first, padded with zero bits at the end.
 */
function encodeBase32(bytes: Uint8Array): string {
  return base32crockford.encode(bytes).toLowerCase();
}
const BASE32 = /^[0-9a-hjkmnp-tv-z]+$/;

/**
 * The bytes of a canonical text: one text for each value, so that an id can be compared as text. The
 * library alone would also read capitals, hyphens, and `o` for 0.
 */
function decodeBase32(text: string, length: number): Buffer | undefined {
  if (text.length !== Math.ceil((length * 8) / 5) || !BASE32.test(text)) return undefined;
  try {
    return Buffer.from(base32crockford.decode(text));
  } catch {
    // The padding is not zero.
    return undefined;
  }
}
