import { describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { type Delivered, useGateway } from './rig.ts';

/** The gateway's own errors on routes in the format of another API, whose SDK customers use. */

const db = useDatabase();
const gateway = useGateway(
  db,
  (upstream) => `
top_up_url: https://example.com/billing
upstreams:
  up: {base_url: ${upstream}}
  closed: {base_url: "http://127.0.0.1:9"}
routes:
  openai: &route
    methods: [GET, POST]
    path: /openai
    scope: search
    upstream: up
    error_format: openai
    largest_body_bytes: 10
    price:
      - {by: effort, default: low, cents: {low: "0.5", high: "5"}}
  anthropic: {<<: *route, path: /anthropic, error_format: anthropic}
  purser: {<<: *route, path: /purser, error_format: purser}
  openai_closed: {<<: *route, path: /closed/openai, upstream: closed}
  anthropic_closed: {<<: *route, path: /closed/anthropic, error_format: anthropic, upstream: closed}
  openai_rated: {<<: *route, path: /rated/openai, rate_limit: {per_second: 0.01}}
  anthropic_rated: {<<: *route, path: /rated/anthropic, error_format: anthropic, rate_limit: {per_second: 0.01}}
`,
);

const FORMATS = ['openai', 'anthropic'] as const;

/** A refused request for each error code. */
const REFUSALS: Readonly<Record<string, (format: string) => Promise<Delivered>>> = {
  api_key_required: async (format) =>
    (await gateway.customer('1')).get(`/${format}`, { headers: { 'x-api-key': '' } }),
  api_key_invalid: async (format) =>
    (await gateway.customer('1')).get(`/${format}`, { headers: { 'x-api-key': 'prsr_wrong' } }),
  missing_scopes: async (format) =>
    (await gateway.customer('1', ['balance:read'])).get(`/${format}`),
  customer_key_required: async (format) =>
    (await gateway.customer('1')).get(`/${format}`, {
      headers: { 'x-api-key': gateway.operatorKey },
    }),
  insufficient_credits: async (format) =>
    (await gateway.customer('3')).get(`/${format}?effort=high`),
  request_not_priced: async (format) => (await gateway.customer('1')).get(`/${format}?effort=x`),
  body_too_large: async (format) =>
    (await gateway.customer('1')).get(`/${format}`, { method: 'POST', body: 'x'.repeat(20) }),
  rate_limited: async (format) => {
    const customer = await gateway.customer('1');
    await customer.get(`/rated/${format}`);
    return customer.get(`/rated/${format}`);
  },
  upstream_failed: async (format) => (await gateway.customer('1')).get(`/closed/${format}`),
};

const TYPES: Readonly<
  Record<string, readonly [status: number, openai: string, anthropic: string]>
> = {
  api_key_required: [401, 'invalid_request_error', 'authentication_error'],
  api_key_invalid: [401, 'invalid_request_error', 'authentication_error'],
  missing_scopes: [403, 'invalid_request_error', 'permission_error'],
  customer_key_required: [403, 'invalid_request_error', 'permission_error'],
  insufficient_credits: [402, 'insufficient_quota', 'billing_error'],
  request_not_priced: [422, 'invalid_request_error', 'invalid_request_error'],
  body_too_large: [413, 'invalid_request_error', 'request_too_large'],
  rate_limited: [429, 'rate_limit_error', 'rate_limit_error'],
  upstream_failed: [502, 'server_error', 'api_error'],
};

describe.each(FORMATS)('on a route with error_format: %s', (format) => {
  test.each(Object.entries(REFUSALS))('%s has its status and type', async (code, refuse) => {
    const [status, openai, anthropic] = TYPES[code] ?? [];
    const answer = await refuse(format);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const body = JSON.parse(answer.body);
    expect(body).toMatchObject({ code, detail: expect.anything() });
    expect(body.error.message).toEqual(expect.any(String));
    if (format === 'openai') {
      expect(body.error).toMatchObject({ type: openai, param: null, code });
    } else {
      expect(body).toMatchObject({ type: 'error', error: { type: anthropic } });
    }
    if ([401, 403, 429].includes(answer.status)) expect(answer.body.length).toBeLessThan(256);
  });

  test('a lack of credit says how much is missing and where to get more', async () => {
    const facts = {
      available: '3',
      required: '5',
      shortfall: '2',
      upgrade_url: 'https://example.com/billing',
    };
    const answer = await (await gateway.customer('3')).get(`/${format}?effort=high`);
    const body = JSON.parse(answer.body);
    expect(body).toMatchObject(facts);
    if (format === 'openai') expect(body.error).toMatchObject(facts);
    expect(body.error.message).toBe(
      'Insufficient credits. This needs 5 cents and 3 are available: 2 more are needed. Get more credit at https://example.com/billing',
    );
  });

  test('the refusal of a request without a price is one sentence, with a list of the faults', async () => {
    const answer = await (await gateway.customer('1')).get(`/${format}?effort=x`);
    const body = JSON.parse(answer.body);
    expect(body.error.message).toBe('effort must be one of low, high');
    expect(body.detail).toMatchObject([{ loc: ['body', 'effort'] }]);
  });
});

test("a route without it answers in Purser's own format", async () => {
  const answer = await (await gateway.customer('3')).get('/purser?effort=high');
  expect(JSON.parse(answer.body)).toMatchObject({
    detail: 'Insufficient credits',
    error: 'payment_required',
    shortfall: '2',
  });
});

test('an unknown path answers in it too', async () => {
  const answer = await (await gateway.customer('1')).get('/nothing');
  expect(JSON.parse(answer.body)).toEqual({
    detail: 'There is nothing at this path',
    code: 'not_found',
  });
});
