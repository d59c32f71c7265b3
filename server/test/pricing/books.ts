import { readFileSync } from 'node:fs';
import type { PriceBook, Route } from '../../src/pricing/book/price-book.ts';
import { type Answer, jsonAnswer } from '../../src/pricing/cost.ts';
import { countable } from '../../src/pricing/counting/countable.ts';
import { parsePriceBook } from '../../src/pricing/parse.ts';

/** Price books for tests. */

const EXAMPLES = new URL('../../../examples/', import.meta.url);

export function exampleText(name: string): string {
  return readFileSync(new URL(name, EXAMPLES), 'utf8');
}

/** Parses a text that must be valid. */
export function bookOf(text: string): PriceBook {
  const parsed = parsePriceBook(text);
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.book;
}

/** A valid text with one route, which has this price and these further lines. */
export function textWith(price: string, more = ''): string {
  return `upstreams:
  you: {base_url: https://api.example.com}
routes:
  search:
    methods: [GET]
    path: /v1/search
    scope: search
    upstream: you
${more}    price:
${price}
`;
}

/** The route of a text with that name. */
export function routeOf(text: string, name = 'search'): Route {
  const route = bookOf(text).routes.find((one) => one.name === name);
  if (!route) throw new Error(`there is no route ${name}`);
  return route;
}

/** A valid text: one route, which costs half a cent a call. */
export const SOUND = textWith('      - per_call: "0.5"');

/** The problems of a text, each as `line:column message | cure`. */
export function problemsOf(text: string): string[] {
  const parsed = parsePriceBook(text);
  if ('book' in parsed) return [];
  return parsed.problems.map(
    ({ line, column, message, cure }) => `${line}:${column} ${message} | ${cure}`,
  );
}

/** A JSON answer, ready to be counted. */
export function answer(value: unknown): Answer {
  return jsonAnswer(countable(value));
}
