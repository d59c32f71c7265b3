import { describe, expect, test } from 'vitest';
import { formatCents } from '../../src/ledger/operations/money.ts';
import { PriceBookSchema } from '../../src/pricing/book/schema.ts';
import { costAfter, costBefore } from '../../src/pricing/cost.ts';
import { answer, bookOf, exampleText, routeOf } from './books.ts';

const YOU = exampleText('you-prices.yaml');

/** The maximum cost of a call before it is made, and its final cost, in cents. */
async function centsOf(text: string, name: string, request: unknown, said?: unknown) {
  const route = routeOf(text, name);
  const before = await costBefore(route, request);
  const { cost } = await costAfter(route, answer(said), before);
  return [formatCents(before.maximum.amount), formatCents(cost.amount)];
}

const results = (number: number, contents?: object) =>
  Array.from({ length: number }, () => ({
    url: 'https://a.example',
    ...(contents && { contents }),
  }));

describe('the JSON Schema', () => {
  test('explains every member', () => {
    const unexplained: string[] = [];
    const look = (node: Record<string, unknown>, path: string) => {
      for (const [name, inner] of Object.entries(node)) {
        if (inner === null || typeof inner !== 'object') continue;
        if (name === 'properties') {
          for (const [member, schema] of Object.entries(inner)) {
            if (!schema.title || !schema.description) unexplained.push(`${path}.${member}`);
          }
        }
        look(inner as Record<string, unknown>, `${path}.${name}`);
      }
      if (node['type'] === 'object') expect(node['additionalProperties']).toBe(false);
    };
    look(PriceBookSchema as unknown as Record<string, unknown>, '');
    expect(unexplained).toEqual([]);
  });
});

describe('the example of a search platform', () => {
  const found = (web: number, news: number) => ({
    results: { web: results(web, { html: 'x' }), news: results(news, { markdown: 'x' }) },
    metadata: { query: 'x' },
  });

  test('charges exactly 2.5 cents for 10 web and 10 news results with contents', async () => {
    const request = { query: 'x', livecrawl: 'all' };
    expect(await centsOf(YOU, 'search', request, found(10, 10))).toEqual(['2.5', '2.5']);
  });

  test.each([
    [{ query: 'x' }, { results: { web: results(10), news: results(3) } }, '0.5', '0.5'],
    [{ query: 'x' }, { results: {} }, '0.5', '0.5'],
    [{ query: 'x', livecrawl: 'web' }, found(4, 0), '1.5', '0.9'],
    [{ query: 'x', livecrawl: 'all', count: 1 }, found(1, 0), '0.7', '0.6'],
    // In a query string all values are strings.
    [{ query: 'x', livecrawl: 'all', count: '50' }, found(50, 12), '10.5', '6.7'],
    [{ query: 'x', livecrawl: 'new-word' }, found(1, 1), '2.5', '0.7'],
    [
      { query: 'x', livecrawl: 'web' },
      { results: { web: [...results(2, { html: 'x' }), ...results(3)] } },
      '1.5',
      '0.7',
    ],
  ])('holds at most and charges for the search %j', async (request, answer, most, cost) => {
    expect(await centsOf(YOU, 'search', request, answer)).toEqual([most, cost]);
  });

  test('charges for each page of contents', async () => {
    const urls = ['https://a.example', 'https://b.example', 'https://c.example'];
    const pages = urls.map((url) => ({ url, html: 'x', metadata: {} }));
    expect(await centsOf(YOU, 'contents', { urls }, pages)).toEqual(['0.3', '0.3']);
    expect(await centsOf(YOU, 'contents', { urls }, pages.slice(0, 1))).toEqual(['0.3', '0.1']);
    expect(await centsOf(YOU, 'contents', { urls }, [])).toEqual(['0.3', '0']);
  });

  test.each([
    ['answer', {}, '0.5'],
    ['research', {}, '5'],
    ['research', { research_effort: 'lite' }, '1.2'],
    ['research', { research_effort: 'deep' }, '10'],
    ['research', { research_effort: 'exhaustive' }, '45'],
    ['research', { research_effort: 'frontier' }, '120'],
    ['finance_research', { research_effort: 'deep' }, '11'],
    ['finance_research', { research_effort: 'exhaustive' }, '50'],
  ])('charges for %s %j %s cents', async (name, request, cents) => {
    expect(await centsOf(YOU, name, request)).toEqual([cents, cents]);
  });

  test('limits each key to 10 calls a second, finance research to 5', () => {
    const limits = bookOf(YOU).routes.map(({ name, rateLimit }) => [name, rateLimit]);
    expect(Object.fromEntries(limits)).toEqual({
      search: { perSecond: 10, burst: 10 },
      contents: { perSecond: 10, burst: 10 },
      answer: { perSecond: 10, burst: 10 },
      research: { perSecond: 10, burst: 10 },
      research_task: { perSecond: 10, burst: 10 },
      research_events: { perSecond: 10, burst: 10 },
      finance_research: { perSecond: 5, burst: 5 },
    });
  });

  test('sends each call to the host that has it', () => {
    const { routes, upstreams } = bookOf(YOU);
    const hosts = routes.map(({ name, upstream }) => [name, upstreams.get(upstream)?.baseUrl]);
    const [index, agents] = ['https://ydc-index.io', 'https://api.you.com'];
    expect(Object.fromEntries(hosts)).toEqual({
      search: index,
      contents: index,
      answer: agents,
      research: agents,
      research_task: agents,
      research_events: agents,
      finance_research: agents,
    });
    for (const { secret } of upstreams.values()) {
      expect(secret).toEqual({ header: 'x-api-key', env: 'UPSTREAM_KEY', prefix: '' });
    }
  });

  test('takes nothing for looking after a task that was paid', async () => {
    expect(await centsOf(YOU, 'research_task', {})).toEqual(['0', '0']);
    expect(await centsOf(YOU, 'research_events', {})).toEqual(['0', '0']);
  });
});
