import { Type } from 'typebox';
import type { Period } from '../../ledger/history/past.ts';
import { parseUuidId } from '../../ledger/operations/ids.ts';
import { invalidRequest } from '../errors/api-error.ts';
import { ApiKeyId, Instant, Scope } from './formats.ts';
import { formatInstant, parseInstantOf } from './instants.ts';

/** The query parameters that filter history, and their parsers. */

/** The description of a list whose pages may be short. */
export const SHORT_PAGES =
  'A filtered page may hold fewer than `limit`, even none, while `links.next` is not null: the search goes on there.';

export const PERIOD_QUERY = {
  from: Type.Optional(Instant('Only operations at this instant or later.')),
  to: Type.Optional(Instant('Only operations before this instant.')),
};

export const API_KEY_QUERY = {
  api_key_id: Type.Optional(ApiKeyId("Only operations that this customer's key made.")),
};

export const SCOPE_QUERY = { scope: Type.Optional(Scope('Only charges for this scope.')) };

/** The period of a list; both ends may be open. */
export function parsePeriod(query: { readonly from?: string; readonly to?: string }): Period {
  const from = query.from === undefined ? undefined : parseInstantOf('from', query.from);
  const to = query.to === undefined ? undefined : parseInstantOf('to', query.to);
  if (from !== undefined && to !== undefined && from > to) {
    throw invalidRequest('from must not be after to');
  }
  return { from, to };
}

/** Throws `invalid_request` for an instant after `now`. */
export function requirePast(member: string, instant: number, now: number): void {
  if (instant <= now) return;
  throw invalidRequest(`${member} must not be in the future: it is ${formatInstant(now)} now`);
}

/** The UUID in an API key's id. Throws `invalid_request` for another form. */
export function parseApiKeyFilter(id: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  const uuid = parseUuidId('key', id);
  if (uuid === undefined) throw invalidRequest('api_key_id must be the id of an API key');
  return uuid;
}

/** Parses a comma-separated list of `known` words. Throws if a word repeats or is unknown. */
export function parseWords<const Word extends string>(
  member: string,
  text: string | undefined,
  known: readonly Word[],
): Word[] | undefined {
  if (text === undefined) return undefined;
  const words = text.split(',');
  const isKnown = (word: string): word is Word => (known as readonly string[]).includes(word);
  if (words.every(isKnown) && new Set(words).size === words.length) return words;
  throw invalidRequest(`${member} must be one or more of ${known.join(', ')}, with commas between`);
}
