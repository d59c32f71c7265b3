import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

/**
 * A small search API behind the gateway. It serves this project's own pages in the form of `/v1/search`
 * and `/v1/contents`, and never uses the network.
 */

const ROOT = new URL('../../', import.meta.url);
const SITE = 'https://purser.example/';
const MOST_RESULTS = 100;
const LARGEST_BODY_BYTES = 65_536;

/** Pages are web results; decisions, which have a date by nature, are news. */
const SECTIONS = {
  web: pagesIn([
    'README.md',
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'docs',
    'server/src/ledger/README.md',
  ]),
  news: pagesIn(['adr']),
};
const PAGES = new Map([...SECTIONS.web, ...SECTIONS.news].map((page) => [page.url, page]));

function pagesIn(places) {
  return places.flatMap((place) =>
    place.endsWith('.md')
      ? [pageOf(place)]
      : filesIn(place).map((name) => pageOf(`${place}/${name}`)),
  );
}

function filesIn(folder) {
  const path = fileURLToPath(new URL(folder, ROOT));
  const names = readdirSync(path, { recursive: true }).map((name) => name.replaceAll('\\', '/'));
  return names.filter((name) => name.endsWith('.md')).sort();
}

function pageOf(path) {
  const markdown = readFileSync(new URL(path, ROOT), 'utf8');
  const title = /^# (.+)$/m.exec(markdown)?.[1] ?? path;
  return { url: `${SITE}${path}`, title, markdown, words: wordsOf(markdown) };
}

function wordsOf(text) {
  const counts = new Map();
  for (const [word] of text.toLowerCase().matchAll(/[a-z0-9_]{2,}/g)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** The pages that have a word of the query; pages with more of them come first. */
function find(pages, query, count, offset) {
  const words = [...wordsOf(query).keys()];
  const scored = pages.map((page) => {
    const size = page.markdown.length;
    const score = words.reduce(
      (sum, word) => sum + (page.words.get(word) ?? 0) / Math.sqrt(size),
      0,
    );
    return { page, score };
  });
  return scored
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(offset * count, (offset + 1) * count)
    .map(({ page }) => page);
}

function snippetsOf({ markdown }, query) {
  const words = [...wordsOf(query).keys()];
  const lines = markdown.split('\n').filter((line) => line.length > 20);
  return lines
    .filter((line) => words.some((word) => line.toLowerCase().includes(word)))
    .slice(0, 3);
}

function contentsOf({ title, markdown }, format) {
  if (format === 'markdown') return { markdown };
  return { html: `<!doctype html><title>${escaped(title)}</title><pre>${escaped(markdown)}</pre>` };
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function search(asked) {
  const { query, livecrawl, livecrawl_formats: format = 'html' } = asked;
  const count = Number(asked.count ?? 10);
  const offset = Number(asked.offset ?? 0);
  if (typeof query !== 'string' || query === '') throw new Refusal(422, 'query is required');
  if (!Number.isInteger(count) || count < 1 || count > MOST_RESULTS) {
    throw new Refusal(422, `count must be 1 to ${MOST_RESULTS}`);
  }
  const results = {};
  for (const [section, pages] of Object.entries(SECTIONS)) {
    const isCrawled = livecrawl === section || livecrawl === 'all';
    results[section] = find(pages, query, count, offset).map((page) => ({
      url: page.url,
      title: page.title,
      description: snippetsOf(page, query)[0] ?? '',
      ...(section === 'web' && { snippets: snippetsOf(page, query) }),
      ...(isCrawled && { contents: contentsOf(page, format) }),
    }));
  }
  return { results, metadata: { query, search_uuid: crypto.randomUUID(), latency: 0.001 } };
}

function contents({ urls, format = 'html' }) {
  if (!Array.isArray(urls)) throw new Refusal(422, 'urls must be a list');
  const pages = urls.map((url) => PAGES.get(url)).filter((page) => page !== undefined);
  return pages.map((page) => ({ url: page.url, title: page.title, ...contentsOf(page, format) }));
}

class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function answer(request, secret) {
  if (request.headers['x-api-key'] !== secret) throw new Refusal(401, 'This is not my secret');
  const url = new URL(request.url, SITE);
  const route = `${request.method} ${url.pathname}`;
  const query = Object.fromEntries(url.searchParams);
  if (route === 'GET /v1/search') return search(query);
  if (route === 'POST /v1/search') return search({ ...query, ...(await bodyOf(request)) });
  if (route === 'POST /v1/contents') return contents(await bodyOf(request));
  throw new Refusal(404, 'There is nothing here');
}

async function bodyOf(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > LARGEST_BODY_BYTES) throw new Refusal(413, 'The body is too large');
  }
  try {
    return { ...JSON.parse(text) };
  } catch {
    throw new Refusal(422, 'The body is not JSON');
  }
}

/** Starts the API on a free port; resolves with its server and URL. It requires `secret` in X-API-Key. */
export async function startUpstream(secret) {
  const server = createServer(async (request, response) => {
    const [status, body] = await answer(request, secret).then(
      (found) => [200, found],
      (error) =>
        error instanceof Refusal
          ? [error.status, { detail: error.message }]
          : [500, { detail: 'It broke' }],
    );
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}
