import { hash } from 'node:crypto';
import type { Digest } from './operations.ts';

const DIGEST_BYTES = 16;

/** The first 16 bytes of a text's SHA-256, in PostgreSQL's text form of bytea. */
export function digestOf(text: string): Digest {
  return `\\x${hash('sha256', text).slice(0, 2 * DIGEST_BYTES)}` as Digest;
}
