import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { useGateway } from './rig.ts';

/** Methods: HEAD if GET is sold, and the answers to a method that the path does not have. */

const gateway = useGateway(useDatabase(), PRICES);

/**
 * Sends a raw request. Resolves with everything that comes until the server closes the connection.
 */
async function raw(method: string, path: string, lines: readonly string[] = [], body = '') {
  const client = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  const head = [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...lines];
  client.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  for await (const piece of client) text += piece;
  const [first = '', ...rest] = text.split('\r\n');
  const allow = rest.find((line) => /^allow: /i.test(line))?.slice('allow: '.length);
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  return { status: Number(first.split(' ')[1]), allow, code, text };
}

describe('HEAD', () => {
  test.each([
    ['/v1/fixed?x=1', '0.5'],
    ['/v1/counted?items=7', '1.2'],
    ['/v1/effort?effort=high', '10'],
    ['/v1/counted?do=huge', '0.8'],
  ])('of %s costs what GET costs, has its headers and no body', async (path, cents) => {
    const customer = await gateway.customer('100');
    const got = await customer.get(path);
    const head = await customer.get(path, { method: 'HEAD' });
    expect([head.status, head.body, head.isWhole]).toEqual([200, '', true]);
    for (const answer of [got, head]) expect(answer.headers['x-credits-charged']).toBe(cents);
    for (const name of ['content-type', 'x-own', 'content-length']) {
      expect(head.headers[name]).toBe(got.headers[name]);
    }
    // The upstream gets a GET, because its answer is counted.
    expect(gateway.upstream.requests.slice(-2).map(({ method }) => method)).toEqual(['GET', 'GET']);
  });

  test('of a stream of events is paid as it is counted, after its end', async () => {
    const customer = await gateway.customer('10');
    const head = await customer.get('/v1/events?do=events&items=7', { method: 'HEAD' });
    expect([head.status, head.body, head.headers['trailer']]).toEqual([200, '', undefined]);
    const receipt = await customer.receipt(String(head.headers['x-hold-id']));
    expect(receipt).toMatchObject({ amount: '0.7', call: { ending: 'delivered' } });
    expect(await customer.balance()).toBe('9.3');
  });

  test('of an error costs nothing', async () => {
    const customer = await gateway.customer('10');
    const head = await customer.get('/v1/fixed?status=500', { method: 'HEAD' });
    expect([head.status, head.headers['x-credits-charged']]).toEqual([500, '0']);
  });

  test('is answered by Purser’s own routes', async () => {
    const { key } = await gateway.customer('10');
    const path = '/v1/billing/account_balance';
    const { status, text } = await raw('HEAD', path, [`X-API-Key: ${key}`]);
    expect([status, text.split('\r\n\r\n')[1]]).toEqual([200, '']);
  });
});

describe('a path with other methods', () => {
  test.each([
    ['DELETE', '/v1/fixed', 'GET, HEAD, POST'],
    ['OPTIONS', '/v1/fixed', 'GET, HEAD, POST'],
    ['PROPFIND', '/v1/fixed', 'GET, HEAD, POST'],
    ['TRACE', '/v1/items/7', 'GET, HEAD'],
    ['POST', '/v1/items/7', 'GET, HEAD'],
    ['POST', '/v1/billing/account_balance', 'GET, HEAD'],
    ['OPTIONS', '/v1/billing/account_balance', 'GET, HEAD'],
    ['PROPFIND', '/v1/billing/account_balance', 'GET, HEAD'],
    ['GET', '/v1/quotes', 'POST'],
    ['DELETE', '/v1/accounts', 'GET, HEAD, POST'],
    ['POST', '/v1/accounts/x', 'GET, HEAD, PATCH'],
    ['PUT', '/v1/holds/x/capture', 'POST'],
    ['OPTIONS', '/v1/charges', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
  ])('names them: %s %s', async (method, path, allow) => {
    const answer = await raw(method, path);
    expect(answer).toMatchObject({ status: 405, code: 'method_not_allowed', allow });
    expect(answer.text).toMatch(/content-type: application\/json/);
  });

  test('names them whatever the body is', async () => {
    const lines = ['Content-Type: text/plain', 'Content-Length: 1'];
    for (const path of ['/v1/billing/account_balance', '/v1/items/7']) {
      expect(await raw('POST', path, lines, 'x')).toMatchObject({ status: 405 });
    }
    expect(await raw('POST', '/nowhere', lines, 'x')).toMatchObject({ status: 404 });
  });

  test.each(['/', '/nowhere', '/v1/billing/nothing', '/v1/fixed/', '/v1/operator_keys'])(
    'is not %s, which has none',
    async (path) => {
      expect(await raw('POST', path)).toMatchObject({ status: 404, code: 'not_found' });
    },
  );
});
