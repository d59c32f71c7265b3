import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ENDINGS } from '../../src/pricing/book/price-book.ts';
import { PriceBookSchema } from '../../src/pricing/book/schema.ts';
import { bookOf } from './books.ts';
import { anchorOf, withTables } from './price-book-page.ts';

const SCHEMA = fileURLToPath(new URL('../../../docs/price-book.schema.json', import.meta.url));
const PAGE = fileURLToPath(new URL('../../../docs/price-book.md', import.meta.url));
const page = readFileSync(PAGE, 'utf8');

test('the committed JSON Schema is that of the code (update it with `npm run price-book-schema`)', async () => {
  await expect(`${JSON.stringify(PriceBookSchema, null, 2)}\n`).toMatchFileSnapshot(SCHEMA);
});

describe('the page about price books', () => {
  test('has the tables of the schema (update them with `npm run price-book-schema`)', async () => {
    await expect(withTables(page)).toMatchFileSnapshot(PAGE);
  });

  test('has a table of upstreams, routes, items, choices and endings, and no link to nowhere', () => {
    const tables = [...page.matchAll(/<!-- table: (\w+) -->/g)].map(([, name]) => name);
    expect(tables).toEqual(['upstream', 'route', 'item', 'choice', 'endings']);
    for (const ending of ENDINGS)
      expect(page).toMatch(new RegExp(`^\\| \`${ending}\` \\| \``, 'm'));
    const sections = [...page.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => anchorOf(title));
    const links = [...page.matchAll(/\]\(#([\w-]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.filter((anchor) => !sections.includes(anchor ?? ''))).toEqual([]);
  });

  test('has an example that is sound', () => {
    expect(bookOf(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '').routes).toHaveLength(1);
  });
});
