import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { useGateway } from './rig.ts';

const db = useDatabase();
const gateway = useGateway(db, PRICES);

/** The upstream's view of the request with this mark in its URL. */
function seen(mark: string) {
  const found = gateway.upstream.requests.find(({ url }) => url.includes(mark));
  if (!found) throw new Error(`the upstream has seen no ${mark}`);
  return found;
}

/** Sends raw bytes. Resolves with everything that comes until the server closes the connection. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(gateway.url);
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.end(text));
    socket.on('data', (piece) => {
      answer += piece;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', () => {});
  });
}

describe('a call', () => {
  test('gets the answer of the upstream, with its cost', async () => {
    const customer = await gateway.customer('10');
    const answer = await customer.get('/v1/fixed?mark=headers&items=2', {
      headers: { 'user-agent': 'test/1' },
    });
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(JSON.parse(answer.body)).toEqual({ items: [{ item: 0 }, { item: 1 }] });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'set-cookie': ['a=1', 'b=2'],
      'x-own': 'yes',
      'x-credits-charged': '0.5',
      'x-credits-remaining': '9.5',
      'x-charge-id': expect.stringMatching(/^chg_/),
      'x-request-id': expect.any(String),
    });
    const { headers, url } = seen('mark=headers');
    expect(url).toBe('/base/v1/fixed?mark=headers&items=2');
    expect(headers).toMatchObject({
      'user-agent': 'test/1',
      authorization: 'Bearer secret-of-the-upstream',
      'x-forwarded-for': '127.0.0.1',
      'x-request-id': answer.headers['x-request-id'],
      'x-purser-account': customer.account,
    });
  });

  test("never shows the customer's key to the upstream, nor headers of the connection", async () => {
    const customer = await gateway.customer('10');
    await customer.get('/v1/fixed?mark=hidden', {
      headers: {
        authorization: `Bearer ${customer.key}`,
        'x-other': `key ${customer.key}`,
        connection: 'keep-alive, x-hop',
        'x-hop': 'yes',
        'keep-alive': 'timeout=9',
        te: 'trailers',
        'proxy-authorization': 'Basic x',
        'x-purser-account': 'somebody else',
      },
    });
    const { headers } = seen('mark=hidden');
    expect(JSON.stringify(headers)).not.toContain(customer.key);
    expect(headers['x-purser-account']).toBe(customer.account);
    for (const name of ['x-hop', 'x-other', 'x-api-key', 'te', 'proxy-authorization']) {
      expect(headers).not.toHaveProperty(name);
    }
  });

  test('has a receipt with route, price version, quantities, choices and ending', async () => {
    const customer = await gateway.customer('10');
    const counted = await customer.get('/v1/counted?items=7');
    const receipt = await customer.receipt(String(counted.headers['x-charge-id']));
    expect(receipt).toMatchObject({
      amount: '1.2',
      reversed: '0',
      scope: 'search',
      api_key_id: customer.apiKeyId,
      call: {
        route: 'counted',
        price_version: 1,
        quantities: { calls: '1', items: '7' },
        choices: {},
        ending: 'delivered',
        status: 200,
      },
    });
    const chosen = await customer.get('/v1/effort?effort=low');
    expect(await customer.receipt(String(chosen.headers['x-charge-id']))).toMatchObject({
      amount: '1',
      call: { route: 'effort', choices: { effort: 'low' } },
    });
    const failed = await customer.get('/v1/fixed?status=500');
    expect(failed.headers).toMatchObject({
      'x-credits-charged': '0',
      'x-credits-remaining': '7.8',
    });
    expect(await customer.receipt(String(failed.headers['x-charge-id']))).toMatchObject({
      amount: '0.5',
      reversed: '0.5',
      call: { ending: 'upstream_5xx', status: 500 },
    });
  });

  test('of a free route needs a key and no credit', async () => {
    const customer = await gateway.customer('0');
    const answer = await customer.get('/v1/free');
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'x-credits-charged': '0', 'x-credits-remaining': '0' });
    expect((await call('GET', `${gateway.url}/v1/free`)).status).toBe(401);
  });

  test('is priced by a member of the query or of the body, with a default', async () => {
    const customer = await gateway.customer('100');
    const json = { 'content-type': 'application/json' };
    const charged = async (path: string, body?: string) => {
      const sent = body === undefined ? {} : { method: 'POST', headers: json, body };
      return (await customer.get(path, sent)).headers['x-credits-charged'];
    };
    expect(await charged('/v1/effort')).toBe('1');
    expect(await charged('/v1/effort?effort=high')).toBe('10');
    expect(await charged('/v1/effort', '{"effort":"high","mark":"body"}')).toBe('10');
    expect(gateway.upstream.requests.at(-1)?.body).toBe('{"effort":"high","mark":"body"}');
    const refused = await customer.get('/v1/effort?effort=endless');
    expect(refused.status).toBe(422);
    expect(JSON.parse(refused.body)).toEqual({
      code: 'request_not_priced',
      detail: [
        {
          type: 'value_error',
          loc: ['body', 'effort'],
          msg: expect.stringContaining('low, high'),
        },
      ],
    });
    const twice = await customer.get('/v1/effort?effort=low', {
      method: 'POST',
      headers: json,
      body: '{"effort":"high"}',
    });
    expect([twice.status, twice.body]).toEqual([422, expect.stringContaining('in the body')]);
    const before = gateway.upstream.requests.length;
    const refusedBody = async (body: string) => {
      const answer = await customer.get('/v1/effort', { method: 'POST', headers: json, body });
      return [answer.status, JSON.parse(answer.body).detail[0].msg];
    };
    const sendOnce = (name: string) => [422, `${name} is twice in one object: send it once`];
    const notAnObject = [422, 'the body must be a JSON object: the price looks at its members'];
    expect(await refusedBody('{"effort":"high","effort":"low"}')).toEqual(sendOnce('effort'));
    expect(await refusedBody(String.raw`{"a":[{"b\\":"{","b\u005c" : 1}]}`)).toEqual(
      sendOnce('b\\'),
    );
    expect(await refusedBody('{"Effort":"high"}')).toEqual([422, 'Effort must be written effort']);
    expect(await refusedBody('[{"effort":"high"}]')).toEqual(notAnObject);
    expect(await refusedBody('null')).toEqual(notAnObject);
    const query = await customer.get('/v1/effort?effort%5B%5D=high');
    expect([query.status, query.body]).toEqual([422, expect.stringContaining('written effort')]);
    expect(gateway.upstream.requests.length).toBe(before);
    const likeNames = String.raw`{"a":{"b":1},"c":[{"b":2},{"b":"\"b\":"}]}`;
    expect(await charged('/v1/effort', likeNames)).toBe('1');
    const malformed = await customer.get('/v1/effort', {
      method: 'POST',
      headers: json,
      body: '{',
    });
    expect(malformed.status).toBe(422);
    const disguised = await customer.get('/v1/effort', {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: '{"effort":"high"}',
    });
    expect([disguised.status, disguised.body]).toEqual([422, expect.stringContaining('JSON')]);
    expect(await customer.balance()).toBe('78');
  });

  test('passes bodies up to the largest that the route takes', async () => {
    const customer = await gateway.customer('10');
    const post = (body: string, headers = {}) =>
      customer.get('/v1/fixed?mark=large', { method: 'POST', body, headers });
    expect((await post('x'.repeat(1_000))).status).toBe(200);
    expect(gateway.upstream.requests.at(-1)?.body).toBe('x'.repeat(1_000));
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const refused = await post('x'.repeat(1_001), headers);
      expect(refused.status).toBe(413);
      expect(JSON.parse(refused.body)).toMatchObject({ code: 'body_too_large' });
    }
    await expect.poll(() => customer.balance()).toBe('9.5');
  });

  test('with GET has no body for the upstream', async () => {
    const customer = await gateway.customer('10');
    const headers = { 'content-type': 'application/json', 'content-length': '17' };
    const body = '{"effort":"high"}';
    const answer = await customer.get('/v1/effort', { headers, body });
    expect([answer.status, answer.headers['x-credits-charged']]).toEqual([200, '1']);
    expect(gateway.upstream.requests.at(-1)?.body).toBe('');
  });

  test('is refused before it reaches the upstream', async () => {
    const before = gateway.upstream.requests.length;
    const poor = await gateway.customer('0.4');
    const scopeless = await gateway.customer('10', ['balance:read']);
    const noCredit = await poor.get('/v1/fixed');
    expect(noCredit.status).toBe(402);
    expect(JSON.parse(noCredit.body)).toEqual({
      detail: 'Insufficient credits',
      code: 'insufficient_credits',
      error: 'payment_required',
      message: expect.any(String),
      available: '0.4',
      required: '0.5',
      shortfall: '0.1',
      upgrade_url: 'https://example.com/billing',
    });
    expect((await scopeless.get('/v1/fixed')).body).toContain('Missing required scopes');
    const statuses = [
      (await scopeless.get('/v1/fixed')).status,
      (await call('GET', `${gateway.url}/v1/fixed`)).status,
      (await call('GET', `${gateway.url}/v1/fixed`, { key: 'prsr_unknown' })).status,
      (await call('GET', `${gateway.url}/v1/fixed`, { key: gateway.operatorKey })).status,
      (await poor.get('/v1/unknown')).status,
      (await poor.get('/v1/fixed', { method: 'DELETE' })).status,
    ];
    expect(statuses).toEqual([403, 401, 401, 403, 404, 405]);
    expect(gateway.upstream.requests.length).toBe(before);
  });

  test('with a key that was revoked is refused at once, and with a suspended account', async () => {
    const customer = await gateway.customer('10');
    const { operatorKey: key } = gateway;
    const status = async () => (await customer.get('/v1/fixed')).status;
    const account = `${gateway.url}/v1/accounts/${customer.account}`;
    await call('PATCH', account, { key, body: { status: 'suspended' } });
    expect(await status()).toBe(403);
    await call('PATCH', account, { key, body: { status: 'active' } });
    expect(await status()).toBe(200);
    await call('DELETE', `${gateway.url}/v1/api_keys/${customer.apiKeyId}`, { key });
    expect(await status()).toBe(401);
  });
});

describe('a path', () => {
  const AMBIGUOUS = [
    '//v1/fixed',
    '/v1//fixed',
    '/v1/../v1/fixed',
    '/v1/./fixed',
    '/v1/items/..',
    '/v1/items/%2e%2e',
    '/v1/items/a%2Fb',
    '/v1/items/a%5cb',
    '/v1/items/a%00b',
    '/v1/items/%252e%252e',
    '/v1/items/a\\b',
    'http://elsewhere.example/v1/fixed',
  ];

  test.each(AMBIGUOUS)('that can be read in two ways is not forwarded: %s', async (path) => {
    const customer = await gateway.customer('10');
    const before = gateway.upstream.requests.length;
    const answer = await raw(
      `GET ${path} HTTP/1.1\r\nhost: a\r\nx-api-key: ${customer.key}\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"ambiguous_path"');
    expect(gateway.upstream.requests.length).toBe(before);
    expect(await customer.balance()).toBe('10');
  });

  test('without the segment of a parameter is no call of its route', async () => {
    const customer = await gateway.customer('10');
    expect((await customer.get('/v1/items/')).status).toBe(404);
    expect((await customer.get('/v1/items/a')).status).toBe(200);
    expect(await customer.balance()).toBe('9.5');
  });

  test('is forwarded as it came, and no other request is smuggled in', async () => {
    const customer = await gateway.customer('10');
    const before = gateway.upstream.requests.length;
    expect((await customer.get('/v1/items/a%20b;c?x=%2F..%2F')).status).toBe(200);
    expect(gateway.upstream.requests.at(-1)?.url).toBe('/base/v1/items/a%20b;c?x=%2F..%2F');
    const smuggled = await raw(
      `POST /v1/fixed HTTP/1.1\r\nhost: a\r\nx-api-key: ${customer.key}\r\n` +
        'content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/items/smuggled HTTP/1.1\r\n\r\n',
    );
    expect(smuggled).toMatch(/^HTTP\/1.1 400 /);
    expect(gateway.upstream.requests.length).toBe(before + 1);
  });
});

describe('a rate limit', () => {
  test('lets a burst pass and refuses the rest, for each key by itself', async () => {
    const [one, other] = [await gateway.customer('10'), await gateway.customer('10')];
    const answers = [];
    for (let turn = 0; turn < 4; turn += 1) answers.push(await one.get('/v1/limited'));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.map(({ headers }) => headers['x-ratelimit-remaining'])).toEqual([
      '2',
      '1',
      '0',
      '0',
    ]);
    const refused = answers[3];
    expect(refused?.headers).toMatchObject({ 'x-ratelimit-limit': '3', 'retry-after': '1' });
    expect(Number(refused?.headers['x-ratelimit-reset'])).toBeGreaterThan(Date.now() / 1_000);
    expect(JSON.parse(refused?.body ?? '')).toEqual({
      detail: 'Rate limit exceeded',
      code: 'rate_limited',
    });
    expect((await other.get('/v1/limited')).status).toBe(200);
    expect(await one.balance()).toBe('8.5');
  });
});

describe('a quote', () => {
  const quote = async (key: string, body: unknown) =>
    call('POST', `${gateway.url}/v1/quotes`, { key, body });

  test('states the cost and the payer of a call, and changes nothing', async () => {
    const customer = await gateway.customer('2');
    const exact = attributesOf(
      await quote(customer.key, { route: 'effort', request: { effort: 'low' } }),
      200,
    );
    expect(exact).toMatchObject({
      id: 'effort',
      allowed: true,
      amount: '1',
      exact: true,
      price_version: 1,
      grants: [{ grant: expect.stringMatching(/^grt_/), amount: '1' }],
    });
    expect(attributesOf(await quote(customer.key, { route: 'counted' }), 200)).toMatchObject({
      allowed: false,
      amount: '2.5',
      exact: false,
      quantities: { calls: '1', items: '20' },
      grants: [],
      status: 402,
      body: { code: 'insufficient_credits', shortfall: '0.5' },
    });
    expect(await customer.balance()).toBe('2');
    const rows = await db.query('select from operations where account_id = $1', [
      customer.account.slice(0, 32),
    ]);
    expect(rows.length).toBe(1);
  });

  test('takes every name of a route that a price book takes', async () => {
    const { key } = await gateway.customer('2');
    const free = attributesOf(await quote(key, { route: 'free-of_charge2' }), 200);
    expect(free).toMatchObject({ id: 'free-of_charge2', allowed: true, amount: '0' });
    const wrong = await quote(key, { route: 'Search' });
    expect([wrong.status, JSON.parse(wrong.body).detail]).toEqual([
      422,
      'route must be the name of a route: at most 64 lower-case letters, digits, _ and -',
    ]);
  });

  test('names the fault of its request', async () => {
    const { key } = await gateway.customer('2');
    const unknown = await quote(key, { route: 'nothing' });
    expect([unknown.status, JSON.parse(unknown.body).code]).toEqual([404, 'route_not_found']);
    const wrong = await quote(key, { route: 'effort', request: { effort: 'endless' } });
    expect([wrong.status, JSON.parse(wrong.body).detail]).toEqual([
      422,
      'request.effort: effort must be one of low, high',
    ]);
  });
});
