import { randomBytes } from 'node:crypto';
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

/** Crockford's alphabet (https://www.crockford.com/base32.html), in lower case. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const DIGIT_OF = new Map([...ALPHABET].map((character, digit) => [character, digit]));

/** Five bits a character, the most significant first; zero bits fill the last character. */
function encodeBase32(bytes: Uint8Array): string {
  let text = '';
  let pending = 0;
  let bits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(pending >> bits) & 31];
    }
    pending &= (1 << bits) - 1;
  }
  if (bits > 0) text += ALPHABET[(pending << (5 - bits)) & 31];
  return text;
}

/** Accepts only the canonical text of a value, so that ids can be compared as texts. */
function decodeBase32(text: string, length: number): Buffer | undefined {
  if (text.length !== Math.ceil((length * 8) / 5)) return undefined;
  const bytes = Buffer.allocUnsafe(length);
  let pending = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    const digit = DIGIT_OF.get(character);
    if (digit === undefined) return undefined;
    pending = (pending << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = pending >> bits;
      at += 1;
    }
    pending &= (1 << bits) - 1;
  }
  return pending === 0 ? bytes : undefined;
}
