import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * The form of the keys that Purser makes. A prefix names the kind. Then come 43 base62 characters of
 * 32 random bytes, and 6 of the CRC-32 of everything before. So a secret scanner can tell a key from text
 * that looks like one, without asking us (the idea:
 * https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/).
 * Imported keys have whatever form they have; only their SHA-256 is known.
 */

export type KeyPrefix = 'prsr_' | 'prso_';

/** Customers' keys begin with this. */
export const CUSTOMER_PREFIX = 'prsr_';
/** Operator keys begin with this; no key of another form is one. */
export const OPERATOR_PREFIX = 'prso_';

/** The bytes that a key is made of. */
export const RANDOM_BYTES = 32;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 is above 2^256, and 62^6 above 2^32. */
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
/** A masked key shows this many characters after its prefix, and at its end. */
const SHOWN = 4;

/** A new secret of `RANDOM_BYTES` bytes that nobody can guess. */
export function newKey(prefix: KeyPrefix, random = randomBytes(RANDOM_BYTES)): string {
  const body = prefix + base62(BigInt(`0x${random.toString('hex')}`), RANDOM_LENGTH);
  return body + checksum(body);
}

/** Whether a text has the prefix, the length and the checksum of a key that Purser made. */
export function isWellFormed(prefix: KeyPrefix, key: string): boolean {
  if (key.length !== prefix.length + RANDOM_LENGTH + CHECKSUM_LENGTH) return false;
  const body = key.slice(0, -CHECKSUM_LENGTH);
  return body.startsWith(prefix) && key.slice(-CHECKSUM_LENGTH) === checksum(body);
}

/** How a key is shown after its creation: `prsr_AbCd…wXyZ`. */
export function maskKey(prefix: KeyPrefix, key: string): string {
  return `${key.slice(0, prefix.length + SHOWN)}…${key.slice(-SHOWN)}`;
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), CHECKSUM_LENGTH);
}

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n)
    text = DIGITS[Number(rest % 62n)] + text;
  return text;
}
