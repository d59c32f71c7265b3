import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestUpstream } from './upstream.ts';

/** A search platform behind the gateway, with the prices of the example price book. */

const EXAMPLE = new URL('../../../examples/you-prices.yaml', import.meta.url);

/** The number of results in a section. */
export const PAGES = 10;

/** The scopes of a customer's key in these tests. */
export const SCOPES: readonly string[] = ['balance:read', 'billing:read', 'search', 'contents'];

/** The example price book with other addresses and another secret for its upstreams. */
export function examplePrices(upstream: string): string {
  return readFileSync(EXAMPLE, 'utf8')
    .replaceAll(/base_url: \S+/g, `base_url: ${upstream}`)
    .replace('env: UPSTREAM_KEY', 'env: TEST_UPSTREAM_KEY');
}

/**
 * Starts the platform. A search has ten results in each section; `contents` has each requested
 * page.
 */
export async function startPlatform(): Promise<TestUpstream> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      const url = new URL(request.url ?? '', 'http://platform');
      const [status, answer] = answerTo(url, body);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    aborted: () => 0,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function answerTo(url: URL, body: string): [number, unknown] {
  if (url.searchParams.get('query') === 'break') return [500, { detail: 'It broke' }];
  if (url.pathname === '/v1/contents') {
    const { urls } = JSON.parse(body) as { urls: string[] };
    return [200, urls.map((page) => ({ url: page, title: 'A page', markdown: '# A page' }))];
  }
  const livecrawl = url.searchParams.get('livecrawl');
  const result = (section: string) =>
    Array.from({ length: PAGES }, (_, index) => ({
      url: `https://${section}.example/${index}`,
      title: `Result ${index}`,
      description: 'Found',
      ...((livecrawl === 'all' || livecrawl === section) && { contents: { html: '<p>Text</p>' } }),
    }));
  return [200, { results: { web: result('web'), news: result('news') }, metadata: { query: 'q' } }];
}
