import { You } from '@youdotcom-oss/sdk';
import { LiveCrawl } from '@youdotcom-oss/sdk/models';
import * as errors from '@youdotcom-oss/sdk/models/errors';
import { describe, expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { examplePrices, PAGES, SCOPES, startPlatform } from './platform.ts';
import { type Customer, useGateway } from './rig.ts';

/** The official SDK of a search platform, through the gateway with the example price book. */

const db = useDatabase();
const gateway = useGateway(db, examplePrices, startPlatform);
/** The SDK as a customer configures it. */
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

  test('throws its default error without credit: 402', async () => {
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
  });

  test('throws its default error above 10 requests a second: 429, and those are free', async () => {
    const rich = await gateway.customer('1000', SCOPES);
    const sdk = sdkOf(rich.key);
    const answers: unknown[] = [];
    const begun = performance.now();
    // On a slow machine the rate limit can let a whole burst pass: try again.
    while (!answers.some((error) => error !== undefined) && answers.length < 1_000) {
      const burst = Array.from({ length: 30 }, () => caught(sdk.search('a')));
      answers.push(...(await Promise.all(burst)));
    }
    const seconds = (performance.now() - begun) / 1_000;
    const refused = answers.filter((error) => error !== undefined);
    expect(refused).not.toEqual([]);
    for (const error of refused) {
      expect(error).toMatchObject({ constructor: errors.YouDefaultError, statusCode: 429 });
    }
    const passed = answers.length - refused.length;
    expect(passed).toBeGreaterThanOrEqual(10);
    expect(passed).toBeLessThanOrEqual(10 + Math.ceil(10 * seconds));
    expect(await rich.balance()).toBe(String(1_000 - passed * 0.5));
  });
});

test('100 calls, 50 of them in parallel, on credit for 60 end with exactly 60 charged', async () => {
  const customer = await gateway.customer('30', SCOPES);
  const statuses: number[] = [];
  // The rate limit of a key allows 10 calls at once, so the account has ten keys.
  const keys = [customer.key, ...(await moreKeys(customer, 9))];
  for (const half of [keys.slice(0, 5), keys.slice(5)]) {
    await Promise.all(
      half.flatMap((key) =>
        Array.from({ length: 10 }, async () => {
          const error = await caught(sdkOf(key).search('a'));
          statuses.push(error === undefined ? 200 : (error as errors.YouError).statusCode);
        }),
      ),
    );
  }
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
