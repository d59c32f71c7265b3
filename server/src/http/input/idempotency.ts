import type { IncomingHttpHeaders } from 'node:http';
import { digestOf } from '../../ledger/operations/digest.ts';
import type { Digest } from '../../ledger/operations/operations.ts';
import { ApiError } from '../errors/api-error.ts';
import { canonicalJson } from './members.ts';

/** One header of 1 to 255 visible characters; Node joins repeated ones with a comma and a blank. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * The digest of a request's `Idempotency-Key`, which names the operation in its account for ever. The
 * operator's keys and a customer's never meet (ledger.md §7). Throws 400 for a header that is missing
 * or misspelt.
 */
export function idempotencyDigest(headers: IncomingHttpHeaders): Digest {
  const key = optionalIdempotencyKey(headers);
  if (key === undefined) throw new ApiError('idempotency_key_missing');
  return digestOfKey(key);
}

/** A request's `Idempotency-Key`, where it has one. Throws 400 for one that is misspelt. */
export function optionalIdempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined || (typeof key === 'string' && IDEMPOTENCY_KEY.test(key))) return key;
  throw new ApiError('idempotency_key_invalid');
}

/** The same, of a key that came as a member and has the form of the header. */
export function digestOfKey(key: string): Digest {
  return digestOf(`operator\0${key}`);
}

/**
 * What was asked, so that one idempotency key under two requests is noticed: the operation, the ids of
 * its path and its parsed values, in a fixed order. Values that differ in writing only (`"1.50"`,
 * `"1.5"`; the order of metadata's members) are the same.
 */
export function fingerprint(
  kind: string,
  values: readonly (string | number | bigint | null)[],
  metadata: string | null,
): Digest {
  const texts = values.map((value) => (typeof value === 'bigint' ? `${value}` : value));
  const canonical = metadata === null ? null : canonicalJson(metadata);
  return digestOf(JSON.stringify([kind, texts, canonical]));
}
