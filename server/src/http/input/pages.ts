import { Type } from 'typebox';
import type { Page } from '../../db/page.ts';
import { LARGEST_AMOUNT } from '../../ledger/operations/money.ts';
import { invalidRequest } from '../errors/api-error.ts';

/** Lists come in pages, newest first, with a path to the next page. */

const DEFAULT_LIMIT = 50;
const LARGEST_LIMIT = 500;
const LONGEST_CURSOR = 128;

/** The query parameters of every list. */
export const PAGE_QUERY = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: LARGEST_LIMIT,
      default: DEFAULT_LIMIT,
      description: 'The most items of the page.',
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: LONGEST_CURSOR,
      description: 'The place at which the page begins; take it from `links.next`.',
    }),
  ),
};

interface PageQuery {
  readonly limit?: number;
  readonly cursor?: string;
}

/** Parses the requested page. `parse` reads the words of a cursor; undefined: the cursor is not ours. */
export function pageOf<Position>(
  query: PageQuery,
  parse: (words: readonly string[]) => Position | undefined,
): { limit: number; before?: Position } {
  const limit = query.limit ?? DEFAULT_LIMIT;
  if (query.cursor === undefined) return { limit };
  const text = Buffer.from(query.cursor, 'base64url').toString('latin1');
  const isCanonical = encodeCursor([text]) === query.cursor;
  const before = isCanonical ? parse(text.split('.')) : undefined;
  if (before === undefined) {
    throw invalidRequest('cursor is not one of ours: take it from links.next, or leave it out');
  }
  return { limit, before };
}

/** Formats a page. `cursor` gives the words that name an item's place. */
export function listOf<Item, Resource>(
  request: { readonly url: string; readonly query: object },
  page: Page<Item>,
  print: (item: Item) => Resource,
  cursor: (item: Item) => readonly string[],
): { data: Resource[]; links: { next: string | null } } {
  const data = page.items.map(print);
  const end = endOf(page, cursor);
  if (end === undefined) return { data, links: { next: null } };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...request.query, cursor: '' })) {
    query.set(name, name === 'cursor' ? encodeCursor(end) : String(value));
  }
  const [path] = request.url.split('?', 1);
  return { data, links: { next: `${path}?${query}` } };
}

/** The words of the next page's cursor; undefined on the last page. */
function endOf<Item>(
  { items, more, resumeBelow }: Page<Item>,
  cursor: (item: Item) => readonly string[],
): readonly string[] | undefined {
  const last = items.at(-1);
  if (more && last !== undefined) return cursor(last);
  return resumeBelow === undefined ? undefined : [String(resumeBelow)];
}

/** Parses an operation's number in a cursor. */
export function parseNumber(word: string | undefined): bigint | undefined {
  if (word === undefined || !/^[1-9]\d{0,18}$/.test(word)) return undefined;
  const number = BigInt(word);
  return number <= LARGEST_AMOUNT ? number : undefined;
}

/** Parses a cursor that is the number of an operation. */
export function parseNumberCursor(words: readonly string[]): bigint | undefined {
  return words.length === 1 ? parseNumber(words[0]) : undefined;
}

function encodeCursor(words: readonly string[]): string {
  return Buffer.from(words.join('.'), 'latin1').toString('base64url');
}
