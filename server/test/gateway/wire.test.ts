import { describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { examplePrices, SCOPES, startPlatform } from './platform.ts';
import { type Delivered, useGateway } from './rig.ts';

/** The exact headers and error bodies that clients of the platform rely on. */

const SEARCH = '/v1/search?query=a';
const JSON_TYPE = 'application/json; charset=utf-8';
/** Some clients accept no longer body of an error, except for 402. */
const LONGEST_ERROR = 200;

const gateway = useGateway(useDatabase(), examplePrices, startPlatform);

const plain = (headers: Record<string, string>, path = SEARCH) =>
  fetch(`${gateway.url}${path}`, { headers });

/** The compared parts of an answer. */
async function shown(answer: Response) {
  const { status, headers } = answer;
  return { status, type: headers.get('content-type'), body: await answer.text() };
}

describe('the headers of an answer', () => {
  test('state the cost, the credit that is left, the rate limit and the request id', async () => {
    const { key } = await gateway.customer('10', SCOPES);
    const before = Math.floor(Date.now() / 1_000);
    const answer = await plain({ 'x-api-key': key, 'x-request-id': 'mine-1' });
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-credits-charged': '0.5',
      'x-credits-remaining': '9.5',
      'x-charge-id': expect.stringMatching(/^chg_/),
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '9',
      'x-ratelimit-reset': expect.stringMatching(/^\d{10}$/),
      'x-request-id': expect.not.stringContaining('mine-1'),
    });
    expect(Number(answer.headers.get('x-ratelimit-reset'))).toBeGreaterThanOrEqual(before);
    const unnamed = await plain({ 'x-api-key': key });
    expect(unnamed.headers.get('x-request-id')).toBeTruthy();
  });

  test('say 2.5 cents for 10 web and 10 news results with contents', async () => {
    const { key } = await gateway.customer('10', SCOPES);
    const { headers } = await plain({ 'x-api-key': key }, `${SEARCH}&livecrawl=all`);
    expect(headers.get('x-credits-charged')).toBe('2.5');
    expect(headers.get('x-credits-remaining')).toBe('7.5');
  });

  test('state the rate limit also if the call failed or could not be paid', async () => {
    const poor = await gateway.customer('0.4', SCOPES);
    const rich = await gateway.customer('10', SCOPES);
    const answers = [
      await plain({ 'x-api-key': poor.key }),
      await plain({ 'x-api-key': rich.key }, '/v1/search?query=break'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([402, 500]);
    for (const { headers } of answers) {
      expect(headers.get('x-ratelimit-limit')).toBe('10');
      expect(headers.get('x-ratelimit-remaining')).toBe('9');
    }
    expect(answers[1]?.headers.get('x-credits-charged')).toBe('0');
    expect(await rich.balance()).toBe('10');
  });
});

describe('the body of an error', () => {
  test.each([
    ['no key', {}, '{"detail":"API key is required","code":"api_key_required"}'],
    [
      'an empty key',
      { 'x-api-key': '' },
      '{"detail":"API key is required","code":"api_key_required"}',
    ],
    [
      'an unknown key',
      { 'x-api-key': 'prsr_0123456789' },
      '{"detail":"Invalid or expired API key","code":"api_key_invalid"}',
    ],
  ])('is, for %s', async (_name, headers, body) => {
    const answer = await shown(await plain(headers as Record<string, string>));
    expect(answer).toEqual({ status: 401, type: JSON_TYPE, body });
    expect(answer.body.length).toBeLessThan(LONGEST_ERROR);
    expect(answer.body).not.toContain('prsr_0123456789');
  });

  test('is the same for a key that was revoked', async () => {
    const { key, apiKeyId } = await gateway.customer('10', SCOPES);
    const { operatorKey } = gateway;
    const revoked = await fetch(`${gateway.url}/v1/api_keys/${apiKeyId}`, {
      method: 'DELETE',
      headers: { 'x-api-key': operatorKey },
    });
    expect(revoked.ok).toBe(true);
    expect(await shown(await plain({ 'x-api-key': key }))).toEqual({
      status: 401,
      type: JSON_TYPE,
      body: '{"detail":"Invalid or expired API key","code":"api_key_invalid"}',
    });
  });

  test('names no scope if one is missing: 403', async () => {
    const { key } = await gateway.customer('10', ['balance:read']);
    expect(await shown(await plain({ 'x-api-key': key }))).toEqual({
      status: 403,
      type: JSON_TYPE,
      body: '{"detail":"Missing required scopes","code":"missing_scopes"}',
    });
  });

  test('states the missing credit and where to get more: 402', async () => {
    const { key } = await gateway.customer('0.4', SCOPES);
    const { status, type, body } = await shown(await plain({ 'x-api-key': key }));
    expect([status, type]).toEqual([402, JSON_TYPE]);
    // The body has neither `limit` nor `used`, which an SDK reads as integers.
    expect(JSON.parse(body)).toStrictEqual({
      detail: 'Insufficient credits',
      code: 'insufficient_credits',
      error: 'payment_required',
      message: 'This needs 0.5 cents and 0.4 are available: 0.1 more are needed.',
      available: '0.4',
      required: '0.5',
      shortfall: '0.1',
      upgrade_url: 'https://example.com/billing',
    });
  });

  test('says which spend limit is reached and until when: 402', async () => {
    const { key, account } = await gateway.customer('10', SCOPES);
    const set = await fetch(`${gateway.url}/v1/accounts/${account}/spend_limits/total`, {
      method: 'PUT',
      headers: { 'x-api-key': gateway.operatorKey, 'content-type': 'application/json' },
      body: '{"amount":"0.7"}',
    });
    expect(set.ok).toBe(true);
    expect((await plain({ 'x-api-key': key })).status).toBe(200);
    const { status, body } = await shown(await plain({ 'x-api-key': key }));
    expect(status).toBe(402);
    expect(JSON.parse(body)).toStrictEqual({
      detail: 'Spend limit reached',
      code: 'spend_limit_reached',
      error: 'payment_required',
      message: "The account's limit in total is 0.7 cents, and 0.5 are used.",
      spend_limit: '0.7',
      spend_used: '0.5',
      period: 'total',
      reset_at: null,
    });
  });

  test('comes with Retry-After above the rate limit: 429', async () => {
    const customer = await gateway.customer('1000', SCOPES);
    let refused: Delivered | undefined;
    while (!refused) {
      const burst = await Promise.all(Array.from({ length: 30 }, () => customer.get(SEARCH)));
      refused = burst.find(({ status }) => status !== 200);
    }
    const { status, headers, body } = refused;
    expect([status, headers['content-type'], headers['retry-after']]).toEqual([
      429,
      JSON_TYPE,
      '1',
    ]);
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '0' });
    expect(body).toBe('{"detail":"Rate limit exceeded","code":"rate_limited"}');
  });

  test('is a list on a product route if a parameter has no price: 422', async () => {
    const { key } = await gateway.customer('10', SCOPES);
    const path = `${SEARCH}&livecrawl=all&count=many`;
    const { status, body } = await shown(await plain({ 'x-api-key': key }, path));
    expect(status).toBe(422);
    expect(JSON.parse(body)).toMatchObject({
      code: 'request_not_priced',
      detail: [{ type: 'value_error', loc: expect.any(Array), msg: expect.any(String) }],
    });
  });

  test("is the upstream's own if it has one: 500", async () => {
    const { key } = await gateway.customer('10', SCOPES);
    const answer = await plain({ 'x-api-key': key }, '/v1/search?query=break');
    expect(await shown(answer)).toEqual({
      status: 500,
      type: 'application/json',
      body: '{"detail":"It broke"}',
    });
  });
});
