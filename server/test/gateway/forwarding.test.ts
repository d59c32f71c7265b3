import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import type { Server } from '../server.ts';
import { type Customer, type SendOptions, useGateway } from './rig.ts';

/** The parts of a request that the gateway forwards, and those that it never does. */

const gateway = useGateway(
  useDatabase(),
  (upstream) => `
upstreams:
  open: {base_url: "${upstream}"}
  keyed:
    base_url: ${upstream}
    secret: {header: X-Upstream-Key, env: TEST_UPSTREAM_KEY}
  bearer:
    base_url: ${upstream}
    secret: {header: Authorization, env: TEST_UPSTREAM_KEY, prefix: "Bearer "}
routes:
  open:
    {methods: [GET, POST], path: /open, scope: search, upstream: open, price: [{per_call: "0.5"}]}
  keyed:
    {methods: [GET], path: /keyed, scope: search, upstream: keyed, price: [{per_call: "0.5"}]}
  bearer:
    {methods: [GET], path: /bearer, scope: search, upstream: bearer, price: [{per_call: "0.5"}]}
  counted:
    methods: [GET]
    path: /counted
    scope: search
    upstream: open
    price: [{per: items, cents: "0.1", count: $count(answer.items), at_most: 20}]
  effort:
    methods: [GET]
    path: /effort
    scope: search
    upstream: open
    price: [{by: effort, default: low, cents: {low: "1", high: "10"}}]
  tool:
    {methods: [GET], path: "/tools/:tool", scope: search, upstream: open, price: [{per_call: "0.1"}]}
  dear:
    {methods: [GET], path: /tools/dear, scope: search, upstream: open, price: [{per_call: "100"}]}
`,
);

let proxied: Server;
let customer: Customer;
beforeAll(async () => {
  proxied = await gateway.another({ PURSER_TRUSTED_PROXIES: '127.0.0.0/8,::1' });
  customer = await gateway.customer('1000');
});
afterAll(() => proxied.end());

/** Sends a request. Resolves with the upstream's view of it. */
async function seen(path: string, options: SendOptions = {}) {
  const before = gateway.upstream.requests.length;
  const answer = await customer.get(path, options);
  expect([answer.status, answer.body]).toEqual([200, expect.any(String)]);
  expect(gateway.upstream.requests.length).toBe(before + 1);
  const { url = '', headers = {}, method = '' } = gateway.upstream.requests.at(-1) ?? {};
  return { url, headers, method, answer };
}

/** The status and code of a refusal. Checks that the upstream saw nothing. */
async function refused(path: string, options: SendOptions = {}): Promise<[number, string]> {
  const before = gateway.upstream.requests.length;
  const { status, body } = await customer.get(path, options);
  expect(gateway.upstream.requests.length).toBe(before);
  return [status, JSON.parse(body).code];
}

describe('a header of the client', () => {
  const NEVER = {
    cookie: 'session=1',
    'x-http-method-override': 'DELETE',
    'x-http-method': 'DELETE',
    'x-method-override': 'DELETE',
    'x-original-url': '/admin',
    'x-rewrite-url': '/admin',
    'x-real-ip': '10.9.9.9',
    'x-purser-account': 'another',
    'x-purser-anything': '1',
    'proxy-authorization': 'Basic x',
    proxy: 'http://elsewhere.example',
    te: 'trailers',
    upgrade: 'h2c',
  };
  const OF_PROXIES = {
    forwarded: 'for=10.9.9.9;host=elsewhere.example',
    'x-forwarded-for': '10.9.9.9',
    'x-forwarded-host': 'elsewhere.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '443',
    'x-forwarded-prefix': '/admin',
    'true-client-ip': '10.9.9.9',
    'x-client-ip': '10.9.9.9',
  };
  const names = (headers: object) => Object.keys(headers);

  test('that would change the method, the path, the session or the sender goes no further', async () => {
    const { headers } = await seen('/open', { headers: { ...NEVER, ...OF_PROXIES } });
    const { host } = new URL(gateway.url);
    expect(headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': host,
      'x-forwarded-proto': 'http',
      'x-purser-account': customer.account,
    });
    const kept = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-purser-account'];
    const passed = names(headers).filter((name) => !kept.includes(name));
    for (const name of names({ ...NEVER, ...OF_PROXIES })) expect(passed).not.toContain(name);
  });

  test('that names the sender passes from a trusted proxy, and no other does', async () => {
    const options = { url: proxied.url, headers: { ...NEVER, ...OF_PROXIES } };
    const { headers } = await seen('/open', options);
    const expected = { ...OF_PROXIES, 'x-forwarded-for': '10.9.9.9, 127.0.0.1' };
    expect(headers).toMatchObject({ ...expected, 'x-purser-account': customer.account });
    for (const name of names(NEVER)) {
      if (name !== 'x-purser-account') expect(headers).not.toHaveProperty(name);
    }
  });

  test.each([
    'x_forwarded_for',
    'x_http_method_override',
    'x_real_ip',
    'x_purser_account',
    'x_api_key',
    'x_upstream_key',
    'content_type',
    'content_length',
    'transfer_encoding',
    'proxy_authorization',
    'if_none_match',
    'accept_encoding',
    'x-forwarded_for',
  ])('is taken as with hyphens, as CGI does, and goes no further: %s', async (name) => {
    const { headers } = await seen('/keyed', { headers: { [name]: '9', x_own: '1' } });
    expect(headers).not.toHaveProperty(name);
    expect(headers).toMatchObject({ 'x-upstream-key': 'secret-of-the-upstream', x_own: '1' });
  });

  test('with an underscore cannot make a counted answer partial', async () => {
    const headers = { if_none_match: '"x"', if_range: '"x"' };
    expect((await seen('/counted', { headers })).headers).not.toMatchObject(headers);
  });

  test('that HTTP defines for the upstream passes', async () => {
    const sent = {
      accept: 'application/json',
      'accept-language': 'de',
      'user-agent': 'test/1',
      'anthropic-version': '2023-06-01',
      authorization: 'Basic eDp5',
    };
    expect((await seen('/open', { headers: sent })).headers).toMatchObject(sent);
    const { headers } = await seen('/bearer', { headers: sent });
    expect(headers['authorization']).toBe('Bearer secret-of-the-upstream');
  });
});

describe("the customer's key", () => {
  const encoded = (key: string) => key.replace('_', '%5f').replace('p', '%70');
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  test('is in no forwarded header', async () => {
    const { key } = customer;
    const { headers } = await seen('/open', {
      headers: {
        referer: `https://example.com/?key=${encoded(key)}`,
        'x-other': `key ${key}`,
        authorization: basic(`${key}:`),
      },
    });
    for (const name of ['referer', 'x-other', 'authorization', 'x-api-key']) {
      expect(headers).not.toHaveProperty(name);
    }
    const beside = await seen('/open', { headers: { authorization: `Bearer ${key}` } });
    expect(beside.headers).not.toHaveProperty('authorization');
  });

  test('as a Bearer token is not forwarded either', async () => {
    const headers = { 'x-api-key': '', authorization: `Bearer ${customer.key}` };
    const { headers: passed } = await seen('/open', { headers });
    expect(passed).not.toHaveProperty('authorization');
    expect(passed).not.toHaveProperty('x-api-key');
    expect(passed['x-purser-account']).toBe(customer.account);
  });

  test('of another kind or customer is not forwarded either', async () => {
    const { key: other } = await gateway.customer('1');
    for (const key of [other, gateway.operatorKey]) {
      const headers = { authorization: `Bearer ${key}` };
      expect((await seen(`/open?a=1&k=${key}`, { headers })).url).toBe('/open?a=1');
      expect((await seen('/open', { headers })).headers).not.toHaveProperty('authorization');
    }
  });

  test('is removed from the query with its member, before the price reads it', async () => {
    const { key } = customer;
    expect((await seen(`/open?api_key=${key}`)).url).toBe('/open');
    expect((await seen(`/open?a=1&${key}&b=%20`)).url).toBe('/open?a=1&b=%20');
    expect((await seen(`/open?a=1&k=${encoded(key)}`)).url).toBe('/open?a=1');
    expect((await seen(`/open?k=1${encoded(key)}&a=1;b`)).url).toBe('/open?a=1;b');
    const { url, answer } = await seen(`/effort?a=1&effort=high&effort=${key}`);
    expect([url, answer.headers['x-credits-charged']]).toEqual(['/effort?a=1&effort=high', '10']);
  });

  test('is refused if it cannot be removed: in a path, or in the headers that describe the body', async () => {
    const { key } = customer;
    const misplaced = [400, 'api_key_misplaced'];
    expect(await refused(`/tools/${key}`)).toEqual(misplaced);
    expect(await refused(`/tools/${encoded(key)}`)).toEqual(misplaced);
    const headers = { 'content-type': `application/json; x=${key}` };
    const options = { method: 'POST', headers, body: '{}' };
    expect(await refused('/open', options)).toEqual(misplaced);
  });
});

describe('a path with parameters', () => {
  /** The status of the answer to a raw request target, with its error code. */
  async function raw(target: string): Promise<string> {
    const client = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    const head = [`GET ${target} HTTP/1.1`, 'Host: x', `X-API-Key: ${customer.key}`];
    client.write(`${[...head, 'Connection: close'].join('\r\n')}\r\n\r\n`);
    let text = '';
    for await (const piece of client) text += piece;
    return `${text.slice(9, 12)} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ''}`.trim();
  }

  test.each([
    '/tools/..;/open',
    '/tools/..;x=1/open',
    '/tools/%2e%2e;/open',
    '/tools/.;x',
    '/tools/x/..;',
    '/tools/..%3b/open',
    '/tools/..%3B',
    '/tools/.%2e%3bx',
    '/tools/;x/dear',
    '/;/open',
    '/tools/;x',
    '/tools/dear;x',
    '/tools/dear%3bx',
    '/tools;x/dear',
    '/tools/a%0ab',
    '/tools/a%7f',
  ])('that a server could read as another is refused: %s', async (target) => {
    const before = gateway.upstream.requests.length;
    expect(await raw(target)).toMatch(/^(400 ambiguous_path|404 not_found)$/);
    expect(gateway.upstream.requests.length).toBe(before);
  });

  test.each(['/tools/%c0%ae%c0%ae/open', '/tools/%u002e'])(
    'that cannot be decoded is refused: %s',
    async (target) => {
      expect(await raw(target)).toMatch(/^400 /);
    },
  );

  test('passes if it is the same route without them', async () => {
    expect((await seen('/tools/cheap;a=1;b?c=;')).url).toBe('/tools/cheap;a=1;b?c=;');
    expect((await seen('/tools/cheap%3Ba')).url).toBe('/tools/cheap%3Ba');
  });
});
