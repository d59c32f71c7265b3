import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type SendOptions, useGateway } from './rig.ts';

/** The price reads the same request as the upstream, and nothing else changes the cost. */

const gateway = useGateway(
  useDatabase(),
  (upstream) => `
upstreams:
  up: {base_url: "${upstream}"}
routes:
  search:
    methods: [GET, POST, DELETE]
    path: /v1/search
    scope: search
    upstream: up
    price:
      - per_call: "0.5"
      - per: pages
        cents: "0.1"
        of: request
        count: >-
          $exists(request.livecrawl) ? ($exists(request.count) ? $number(request.count) : 20) : 0
  research:
    methods: [GET, POST]
    path: /v1/research
    scope: search
    upstream: up
    price:
      - {by: research_effort, default: lite, cents: {lite: "1", frontier: "100"}}
  fixed:
    methods: [GET, POST]
    path: /v1/fixed
    scope: search
    upstream: up
    price:
      - per_call: "0.5"
`,
);

const JSON_TYPE = { 'content-type': 'application/json' };

/**
 * The cost of a request, or the status and message of its refusal. Then the upstream saw nothing.
 */
async function costOf(path: string, options: SendOptions = {}): Promise<string> {
  const customer = await gateway.customer('1000');
  const seen = gateway.upstream.requests.length;
  const { status, headers, body } = await customer.get(path, options);
  if (status === 200) return String(headers['x-credits-charged']);
  expect(gateway.upstream.requests.length).toBe(seen);
  expect(await customer.balance()).toBe('1000');
  const { code, detail } = JSON.parse(body);
  return `${status} ${code}: ${Array.isArray(detail) ? detail[0].msg : detail}`;
}

/** `costOf` a request with a JSON body. */
const costOfBody = (path: string, body: string, headers: Record<string, string> = JSON_TYPE) =>
  costOf(path, { method: 'POST', headers, body });

describe('the price reads one place', () => {
  test('which is the query of GET, HEAD and DELETE, and the body of the rest', async () => {
    expect(await costOf('/v1/search?livecrawl=all')).toBe('2.5');
    expect(await costOf('/v1/search?livecrawl=all&count=2')).toBe('0.7');
    expect(await costOf('/v1/search?livecrawl=all', { method: 'DELETE' })).toBe('2.5');
    expect(await costOfBody('/v1/search', '{"livecrawl":"all"}')).toBe('2.5');
    expect(await costOfBody('/v1/search', '{"livecrawl":"all","count":2}')).toBe('0.7');
    expect(await costOfBody('/v1/search?page=2', '{"livecrawl":"all"}')).toBe('2.5');
  });

  test.each([
    ['count', '/v1/search?count=0', '{"livecrawl":"all"}'],
    ['Count', '/v1/search?Count=0', '{"livecrawl":"all"}'],
    ['count[]', '/v1/search?count%5B%5D=0', '{"livecrawl":"all"}'],
    ['livecrawl', '/v1/search?livecrawl=all', ''],
    ['research.effort', '/v1/research?research.effort=frontier', '{}'],
  ])('a priced name in the query of POST is refused: %s', async (name, path, body) => {
    expect(await costOfBody(path, body)).toBe(
      `422 request_not_priced: ${name} must be in the body: the price reads it there`,
    );
  });

  test('a priced name in the body of DELETE is refused, and one that is not JSON', async () => {
    const costOfDelete = (body: string) => {
      const headers = { ...JSON_TYPE, 'content-length': String(body.length) };
      return costOf('/v1/search', { method: 'DELETE', headers, body });
    };
    expect(await costOfDelete('{"LiveCrawl":1}')).toBe(
      '422 request_not_priced: LiveCrawl must be in the query: the price reads it there',
    );
    expect(await costOfDelete('livecrawl=all')).toMatch(/^422 /);
    expect(await costOfDelete('{"a":1}')).toBe('0.5');
  });

  test('the refusal names the member', async () => {
    const { key } = await gateway.customer('10');
    const url = `${gateway.url}/v1/search?count=0`;
    const answer = await call('POST', url, { key, body: { livecrawl: 'all' } });
    expect(JSON.parse(answer.body).detail).toEqual([
      { type: 'value_error', loc: ['body', 'count'], msg: expect.any(String) },
    ]);
  });

  test('null counts as absent, however deep, and in a quote', async () => {
    expect(await costOfBody('/v1/search', '{"livecrawl":null,"count":5}')).toBe('0.5');
    expect(await costOfBody('/v1/search', '{"livecrawl":"all","count":null}')).toBe('2.5');
    expect(await costOfBody('/v1/research', '{"research_effort":null}')).toBe('1');
    const { key } = await gateway.customer('10');
    const body = { route: 'search', request: { livecrawl: null } };
    const quote = await call('POST', `${gateway.url}/v1/quotes`, { key, body });
    expect(JSON.parse(quote.body).data.attributes.amount).toBe('0.5');
  });
});

describe('a query that is priced', () => {
  test.each([
    ['a semicolon', '/v1/research?a=1;research_effort=frontier'],
    ['a semicolon beside a priced body', '/v1/research?a;b', '{}'],
    ['a name as PHP reads it', '/v1/research?research.effort=frontier'],
    ['a name with an open bracket', '/v1/research?research%5Beffort=frontier'],
    ['a name with a plus', '/v1/research?research+effort=frontier'],
    ['a name with a blank before it', '/v1/research?%20research_effort=frontier'],
    ['a name with NUL', '/v1/research?research%00effort=frontier'],
    ['a name that ends with NUL', '/v1/research?research_effort%00=frontier'],
    ['a name in capitals', '/v1/research?RESEARCH_EFFORT=frontier'],
    ['a name with a letter that folds', '/v1/research?re%C5%BFearch_effort=frontier'],
    ['two names that PHP reads as one', '/v1/research?a.b=1&a_b=2'],
    ['two names that differ by a plus', '/v1/research?a+b=1&a%20b=2&a_b=3'],
    ['a percent sign by itself', '/v1/research?%u0072esearch_effort=frontier'],
    ['bytes that are no UTF-8', '/v1/research?%ff=1'],
    ['an overlong encoding', '/v1/research?%c1%b2esearch_effort=frontier'],
    ['a priced name twice', '/v1/research?research_effort=lite&research_effort=frontier'],
  ])('is refused with %s', async (_, path, body?: string) => {
    const options = body === undefined ? {} : { method: 'POST', headers: JSON_TYPE, body };
    expect(await costOf(path, options)).toMatch(/^422 request_not_priced: /);
  });

  test('may have names that only look alike, and repeated ones', async () => {
    expect(await costOf('/v1/research?tag=1&tag=2&a.b=1&a.c=2&x%5B1%5D=1&x%5B2%5D=2')).toBe('1');
    expect(await costOf('/v1/research?q=a;b')).toMatch(/^422 /);
    expect(await costOf('/v1/fixed?q=a;b&a.b=1&a_b=2&%ff')).toBe('0.5');
  });
});

describe('a body that is priced', () => {
  const FRONTIER = '{"research_effort":"frontier"}';

  test.each([
    'application/json',
    'APPLICATION/JSON; Charset="UTF-8"',
    'application/json;charset=utf-8',
    'application/vnd.api+json; version=1',
  ])('is read as %s', async (type) => {
    expect(await costOfBody('/v1/research', FRONTIER, { 'content-type': type })).toBe('100');
  });

  test.each([
    'application/json; charset=utf-7',
    'application/json; charset="utf-16le"',
    'application/json; charset=iso-8859-1',
    'application/json; charset=utf-8; charset=utf-7',
    "application/json; charset*=us-ascii''utf-7",
    'application/json; charset',
    'application/json, text/plain',
    'application/json-seq',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/json',
  ])('is not taken as %s', async (type) => {
    expect(await costOfBody('/v1/research', FRONTIER, { 'content-type': type })).toMatch(
      /^(422 request_not_priced: the body must be JSON|415 unsupported_media_type: )/,
    );
  });

  test('has no byte order mark, is UTF-8, and has a Content-Type', async () => {
    expect(await costOfBody('/v1/research', `\ufeff${FRONTIER}`)).toMatch(/^422 /);
    expect(await costOfBody('/v1/research', FRONTIER, {})).toMatch(/^422 /);
    const { key, balance } = await gateway.customer('1000');
    const answer = await fetch(`${gateway.url}/v1/research`, {
      method: 'POST',
      headers: { 'x-api-key': key, ...JSON_TYPE },
      body: Buffer.from('7b226122 3a 22ff22 7d'.replaceAll(' ', ''), 'hex'),
    });
    expect([answer.status, await balance()]).toEqual([422, '1000']);
  });

  test('is not compressed', async () => {
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    expect(await costOfBody('/v1/research', FRONTIER, headers)).toBe(
      '415 unsupported_media_type: Send the body without Content-Encoding: the price reads it',
    );
    const identity = { ...JSON_TYPE, 'content-encoding': 'identity' };
    expect(await costOfBody('/v1/research', FRONTIER, identity)).toBe('100');
    expect(await costOfBody('/v1/fixed', 'x', { 'content-encoding': 'gzip' })).toBe('0.5');
  });

  test.each([
    ['Content-Type: text/plain', /^HTTP\/1.1 400 .*Content-Type is there twice/s],
    ['Connection: close, content-type', /^HTTP\/1.1 400 .*Connection names content-type/s],
    ['Connection: close, Accept-Language', /^HTTP\/1.1 400 .*Connection names accept-language/s],
    ['X-Extra: 1', /^HTTP\/1.1 200 /],
  ])('is judged with the headers that the upstream gets: %s', async (line, answer) => {
    const { key, balance } = await gateway.customer('1000');
    const seen = gateway.upstream.requests.length;
    const head = [
      'POST /v1/research HTTP/1.1',
      'Host: x',
      `X-API-Key: ${key}`,
      'Content-Type: application/json',
      `Content-Length: ${FRONTIER.length}`,
      line,
    ];
    expect(await rawAnswer(head, FRONTIER)).toMatch(answer);
    const isForwarded = line.startsWith('X-');
    expect(await balance()).toBe(isForwarded ? '900' : '1000');
    expect(gateway.upstream.requests.length).toBe(seen + (isForwarded ? 1 : 0));
  });

  test('with a name twice, in other letters or in another folding is refused', async () => {
    for (const body of [
      '{"research_effort":"lite","research_effort":"frontier"}',
      '{"Research_Effort":"frontier"}',
      '{"re\\u017fearch_effort":"frontier"}',
    ]) {
      expect(await costOfBody('/v1/research', body)).toMatch(/^422 request_not_priced: /);
    }
  });
});

/** Sends raw bytes. Resolves with everything that comes until the gateway closes the connection. */
async function rawAnswer(lines: readonly string[], body: string): Promise<string> {
  const client = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  const close = lines.some((line) => line.startsWith('Connection:')) ? [] : ['Connection: close'];
  client.write(`${[...lines, ...close].join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  for await (const piece of client) text += piece;
  return text;
}
