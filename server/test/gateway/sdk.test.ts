import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { You } from '@youdotcom-oss/sdk';
import { LiveCrawl } from '@youdotcom-oss/sdk/models';
import * as errors from '@youdotcom-oss/sdk/models/errors';
import { describe, expect, test } from 'vitest';
import { verify } from '../../src/ledger/verify.ts';
import { useDatabase } from '../postgres.ts';
import { type Customer, useGateway } from './rig.ts';
import type { TestUpstream } from './upstream.ts';

/** The official SDK of a search platform, through the gateway with the example price book. */

const EXAMPLE = new URL('../../../examples/you-prices.yaml', import.meta.url);
const PAGES = 10;

const db = useDatabase();
const gateway = useGateway(
  db,
  (upstream) =>
    readFileSync(EXAMPLE, 'utf8')
      .replace(/base_url: \S+/, `base_url: ${upstream}`)
      .replace('env: UPSTREAM_KEY', 'env: TEST_UPSTREAM_KEY'),
  startPlatform,
);

/** Answers as the platform does: ten results a section, and each page that contents are asked of. */
async function startPlatform(): Promise<TestUpstream> {
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

const SCOPES = ['balance:read', 'billing:read', 'search', 'contents'];

/** The SDK as a customer has it. */
function sdkOf(key: string) {
  const you = new You({ apiKeyAuth: key });
  const options = { serverURL: gateway.url };
  return {
    search: (query: string, more = {}) => you.search({ query, ...more }, options),
    contents: (urls: string[]) => you.contents({ urls }, options),
  };
}

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Waits until the rate limit of a route lets the whole burst pass again. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 1_100));

describe('the official SDK', () => {
  test('searches for exactly 0.5 cents', async () => {
    const customer = await gateway.customer('10', SCOPES);
    const found = await sdkOf(customer.key).search('anything');
    expect(found.results?.web?.length).toBe(PAGES);
    expect(await customer.balance()).toBe('9.5');
  });

  test('crawls 10 web and 10 news pages for exactly 2.5 cents', async () => {
    const customer = await gateway.customer('10', SCOPES);
    const sdk = sdkOf(customer.key);
    const found = await sdk.search('anything', { livecrawl: LiveCrawl.All, count: PAGES });
    expect(found.results?.web?.[0]?.contents?.html).toBe('<p>Text</p>');
    expect(await customer.balance()).toBe('7.5');
  });

  test('gets contents for exactly 0.1 cents a page', async () => {
    const customer = await gateway.customer('10', SCOPES);
    const pages = ['https://a.example/', 'https://b.example/', 'https://c.example/'];
    const got = await sdkOf(customer.key).contents(pages);
    expect(got.map(({ url }) => url)).toEqual(pages);
    expect(await customer.balance()).toBe('9.7');
  });

  test('throws its typed errors with the detail: 401, 403 and 500', async () => {
    const { key } = await gateway.customer('10', ['search']);
    const unknown = sdkOf('prsr_unknown');
    expect(await caught(unknown.search('a'))).toMatchObject({
      constructor: errors.SearchUnauthorizedError,
      detail: 'Invalid or expired API key',
    });
    expect(await caught(unknown.contents(['a']))).toMatchObject({
      constructor: errors.ContentsUnauthorizedError,
      detail: 'Invalid or expired API key',
    });
    expect(await caught(sdkOf('').search('a'))).toMatchObject({
      constructor: errors.SearchUnauthorizedError,
      detail: 'API key is required',
    });
    expect(await caught(sdkOf(key).contents(['a']))).toMatchObject({
      constructor: errors.ContentsForbiddenError,
      detail: 'Missing required scopes',
    });
    expect(await caught(sdkOf(key).search('break'))).toMatchObject({
      constructor: errors.SearchInternalServerError,
      detail: 'It broke',
    });
  });

  test('throws its default error: 402 and 429', async () => {
    const poor = await gateway.customer('0.4', SCOPES);
    const noCredit = await caught(sdkOf(poor.key).search('a'));
    expect(noCredit).toMatchObject({ constructor: errors.YouDefaultError, statusCode: 402 });
    expect(JSON.parse((noCredit as errors.YouDefaultError).body)).toMatchObject({
      detail: 'Insufficient credits',
      error: 'payment_required',
      available: '0.4',
      required: '0.5',
      shortfall: '0.1',
    });
    const rich = await gateway.customer('100', SCOPES);
    const sdk = sdkOf(rich.key);
    const answers = await Promise.all(Array.from({ length: 30 }, () => caught(sdk.search('a'))));
    const refused = answers.filter((answer) => answer !== undefined);
    expect(refused.length).toBeGreaterThanOrEqual(15);
    for (const answer of refused) {
      expect(answer).toMatchObject({ constructor: errors.YouDefaultError, statusCode: 429 });
    }
    expect(await rich.balance()).toBe(String(100 - (30 - refused.length) * 0.5));
  });
});

test('100 parallel calls on credit for 60 end with exactly 60 charged', async () => {
  const customer = await gateway.customer('30', SCOPES);
  const statuses: number[] = [];
  // The rate limit is of a key: ten keys of one account.
  const keys = [customer.key, ...(await moreKeys(customer, 9))];
  await pause();
  await Promise.all(
    keys.flatMap((key) =>
      Array.from({ length: 10 }, async () => {
        const error = await caught(sdkOf(key).search('a'));
        statuses.push(error === undefined ? 200 : (error as errors.YouError).statusCode);
      }),
    ),
  );
  expect(statuses.filter((status) => status === 200).length).toBe(60);
  expect(statuses.filter((status) => status === 402).length).toBe(40);
  expect(await customer.balance()).toBe('0');
  const [charged] = await db.query<{ charges: string; amount: string }>(
    `select count(*) as charges, sum(amount) as amount from operations
     where kind = 'capture' and account_id = $1`,
    [customer.account.slice(0, 32)],
  );
  expect(charged).toEqual({ charges: '60', amount: '30000000' });
  expect((await verify(db.database)).problem).toBeNull();
});

async function moreKeys({ account }: Customer, count: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const response = await fetch(`${gateway.url}/v1/accounts/${account}/api_keys`, {
        method: 'POST',
        headers: { 'x-api-key': gateway.operatorKey, 'content-type': 'application/json' },
        body: JSON.stringify({ scopes: SCOPES }),
      });
      const { data } = (await response.json()) as { data: { attributes: { key: string } } };
      return data.attributes.key;
    }),
  );
}
