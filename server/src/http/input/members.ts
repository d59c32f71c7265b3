import { isOperatorScope } from '../../auth/scopes.ts';
import { LARGEST_AMOUNT, parseCents } from '../../ledger/operations/money.ts';
import { ApiError, invalidRequest } from '../errors/api-error.ts';

/**
 * Parsers of members that a JSON Schema cannot check. Each throws an error that names the member and
 * the cure.
 */

/** The longest description, name and external id, in characters (code points). */
export const LONGEST_TEXT = 255;
/** The longest metadata, in bytes of UTF-8 of its JSON text. */
export const LONGEST_METADATA = 2_048;
/** Bounds the recursion over metadata, whose length is bounded too. */
const DEEPEST_METADATA = 32;

/** Parses an amount to microcents. The schema has checked its form. */
export function parseAmount(member: string, text: string): bigint {
  const amount = parseCents(text);
  if (amount === undefined) {
    throw invalidRequest(
      `${member} must be a string of cents with up to six decimals, such as "0.5"`,
    );
  }
  if (amount > LARGEST_AMOUNT) {
    throw new ApiError('amount_too_large', {
      detail: `${member} must be at most 9223372036854.775807 cents`,
    });
  }
  return amount;
}

/** Parses an amount above zero. */
export function parsePositiveAmount(member: string, text: string): bigint {
  const amount = parseAmount(member, text);
  if (amount === 0n) throw invalidRequest(`${member} must be above 0`);
  return amount;
}

/** Parses an amount with a sign. */
export function parseSignedAmount(member: string, text: string): bigint {
  return text.startsWith('-') ? -parseAmount(member, text.slice(1)) : parseAmount(member, text);
}

/** Returns the text unchanged if PostgreSQL can hold it. */
export function parseText(member: string, text: string): string {
  if (!isStorable(text)) {
    throw invalidRequest(`${member} must not hold a NUL character or half a surrogate pair`);
  }
  // A code point has one or two UTF-16 units, so most texts need no counting.
  if (text.length > LONGEST_TEXT && [...text].length > LONGEST_TEXT) {
    throw invalidRequest(`${member} must have at most ${LONGEST_TEXT} characters`);
  }
  return text;
}

export function parseOptionalText(member: string, text: string | undefined): string | null {
  return text === undefined ? null : parseText(member, text);
}

/** Returns the scopes of a customer's key. Throws if one is for operator keys. */
export function parseScopes(scopes: readonly string[]): readonly string[] {
  const reserved = scopes.find(isOperatorScope);
  if (reserved) throw invalidRequest(`scopes: ${reserved} is for operator keys only`);
  return scopes;
}

/** Formats metadata as the JSON text that is stored and answered. */
export function parseMetadata(
  metadata: Readonly<Record<string, unknown>> | undefined,
  member = 'metadata',
): string | null {
  if (metadata === undefined) return null;
  if (isDeeper(metadata, DEEPEST_METADATA)) {
    throw invalidRequest(`${member} must be nested at most ${DEEPEST_METADATA} deep`);
  }
  checkMetadata(member, metadata);
  const text = JSON.stringify(metadata);
  if (Buffer.byteLength(text) > LONGEST_METADATA) {
    throw invalidRequest(`${member} must have at most ${LONGEST_METADATA} bytes as JSON`);
  }
  return text;
}

/** Sorts the members of every object in a JSON text, for comparisons. */
export function canonicalJson(text: string): string {
  return JSON.stringify(JSON.parse(text), (_, value) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function isDeeper(value: unknown, levels: number): boolean {
  if (levels === 0) return true;
  if (value === null || typeof value !== 'object') return false;
  return Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function checkMetadata(member: string, value: unknown): void {
  if (typeof value === 'string' && !isStorable(value)) {
    throw invalidRequest(`${member} must not hold a NUL character or half a surrogate pair`);
  }
  if (value === null || typeof value !== 'object') return;
  for (const [name, inner] of Object.entries(value)) {
    if (!isStorable(name)) {
      throw invalidRequest(
        `a member's name in ${member} must not hold a NUL character or half a surrogate pair`,
      );
    }
    checkMetadata(`${member}.${name.slice(0, 64)}`, inner);
  }
}

/** PostgreSQL's `text` holds neither NUL nor a lone surrogate. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}
