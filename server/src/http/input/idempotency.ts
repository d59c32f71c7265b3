import type { IncomingHttpHeaders } from 'node:http';
import { digestOf } from '../../ledger/operations/digest.ts';
import type { Digest } from '../../ledger/operations/operations.ts';
import { ApiError } from '../errors/api-error.ts';
import { canonicalJson } from './members.ts';

/** 1 to 255 visible characters. Repeated headers, which Node joins with a blank, do not match. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * The digest of a request's `Idempotency-Key`, which names the operation in its account for ever. An
 * operator's key never collides with a customer's (ledger README §7). Throws 400 for a missing or
 * misspelt header.
 */
export function idempotencyDigest(headers: IncomingHttpHeaders): Digest {
  const key = optionalIdempotencyKey(headers);
  if (key === undefined) throw new ApiError('idempotency_key_missing');
  return digestOfKey(key);
}

/** A request's `Idempotency-Key`, or undefined. Throws 400 for a misspelt one. */
export function optionalIdempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined || (typeof key === 'string' && IDEMPOTENCY_KEY.test(key))) return key;
  throw new ApiError('idempotency_key_invalid');
}

/** The digest of an idempotency key that came as a member of the body, in the form of the header. */
export function digestOfKey(key: string): Digest {
  return digestOf(`operator\0${key}`);
}

/**
 * The fingerprint of a request detects one idempotency key under two requests. It covers the operation,
 * the ids of its path and its parsed values, in a fixed order. `"1.50"` and `"1.5"` are the same value;
 * so are two orders of metadata's members.
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
