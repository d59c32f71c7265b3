import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import type { Server } from '../server.ts';
import { PRICES } from './prices-text.ts';
import { type Customer, useGateway } from './rig.ts';

/** CORS: the origins whose pages may call from a browser, and the headers that they may read. */

const APP = 'https://app.example.com';
const ELSEWHERE = 'https://elsewhere.example';

const gateway = useGateway(useDatabase(), PRICES);
let some: Server;
let all: Server;
let customer: Customer;

beforeAll(async () => {
  some = await gateway.another({ PURSER_CORS_ORIGINS: `${APP}, http://localhost:3000` });
  all = await gateway.another({ PURSER_CORS_ORIGINS: '*' });
  customer = await gateway.customer('100');
});

afterAll(async () => {
  await some.end();
  await all.end();
});

/** The status and the CORS headers of an answer. */
async function cors(url: string, init: RequestInit & { headers: Record<string, string> }) {
  const { status, headers } = await fetch(url, init);
  const said = [...headers].filter(([name]) => /^(access-control-|vary$|allow$)/.test(name));
  return { status, ...Object.fromEntries(said) } as Record<string, unknown>;
}

const preflight = (origin: string, names = 'x-api-key, content-type') => ({
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': names,
  },
});

const SHARED = ['/v1/fixed', '/v1/items/7', '/v1/billing/account_balance', '/v1/quotes'];
const OPERATORS = ['/v1/charges', '/v1/accounts', '/v1/api_keys/x', '/healthz', '/metrics'];

describe('a preflight', () => {
  test.each(SHARED)('of %s is answered without a key', async (path) => {
    const before = gateway.upstream.requests.length;
    const answer = await cors(`${some.url}${path}`, preflight(APP));
    expect(answer).toMatchObject({
      status: 204,
      'access-control-allow-origin': APP,
      'access-control-allow-headers': 'x-api-key, content-type',
      'access-control-allow-methods': answer['allow'],
      'access-control-max-age': '600',
      vary: 'Origin',
    });
    expect(answer).not.toHaveProperty('access-control-allow-credentials');
    expect(gateway.upstream.requests.length).toBe(before);
  });

  test('names the methods of its path', async () => {
    const methodsOf = async (path: string) =>
      (await cors(`${some.url}${path}`, preflight(APP)))['access-control-allow-methods'];
    expect(await methodsOf('/v1/fixed')).toBe('GET, HEAD, OPTIONS, POST');
    expect(await methodsOf('/v1/billing/charges/x')).toBe('GET, HEAD, OPTIONS');
    expect(await methodsOf('/v1/quotes')).toBe('OPTIONS, POST');
  });

  test('allows nothing to another origin', async () => {
    for (const origin of [ELSEWHERE, 'null', `${APP}.evil.example`, 'https://APP.example.com']) {
      const answer = await cors(`${some.url}/v1/fixed`, preflight(origin));
      expect(answer).not.toHaveProperty('access-control-allow-origin');
    }
  });

  test('does not echo a header that is no list of names', async () => {
    const answer = await cors(`${some.url}/v1/fixed`, preflight(APP, 'a b; c'));
    expect(answer).not.toHaveProperty('access-control-allow-headers');
  });

  test.each(OPERATORS)('of %s is refused, whatever the origin', async (path) => {
    for (const node of [some, all]) {
      const answer = await cors(`${node.url}${path}`, preflight(APP));
      expect(answer['status']).toBe(405);
      expect(Object.keys(answer).sort()).toEqual(['allow', 'status']);
      expect(answer['allow']).not.toContain('OPTIONS');
    }
  });

  test('of an unknown path is 404, and by default of every path 405', async () => {
    expect(await cors(`${some.url}/nowhere`, preflight(APP))).toEqual({ status: 404 });
    const answer = await cors(`${gateway.url}/v1/fixed`, preflight(APP));
    expect(answer).toEqual({ status: 405, allow: 'GET, HEAD, POST' });
  });
});

describe('an answer', () => {
  const ask = (url: string, path: string, origin: string, key: string) =>
    cors(`${url}${path}`, { headers: { origin, 'x-api-key': key } });

  test.each(['/v1/fixed', '/v1/billing/account_balance'])(
    'of %s may be read by the origins that are listed, errors too',
    async (path) => {
      for (const key of [customer.key, 'unknown']) {
        const answer = await ask(some.url, path, APP, key);
        expect(answer).toMatchObject({
          status: key === 'unknown' ? 401 : 200,
          'access-control-allow-origin': APP,
          'access-control-expose-headers': expect.stringMatching(
            /X-Credits-Charged.*X-Charge-Id.*X-RateLimit-Remaining.*Retry-After.*X-Request-Id/,
          ),
          vary: 'Origin',
        });
        expect(answer).not.toHaveProperty('access-control-allow-credentials');
        const elsewhere = await ask(some.url, path, ELSEWHERE, key);
        expect(elsewhere).not.toHaveProperty('access-control-allow-origin');
        expect(elsewhere['vary']).toBe('Origin');
      }
    },
  );

  test('may be read by every origin if all are allowed, and by none by default', async () => {
    const answer = await ask(all.url, '/v1/fixed', ELSEWHERE, customer.key);
    expect(answer).toMatchObject({ status: 200, 'access-control-allow-origin': '*' });
    expect(answer).not.toHaveProperty('vary');
    expect(await ask(gateway.url, '/v1/fixed', APP, customer.key)).toEqual({ status: 200 });
  });

  test('of the operator’s routes never may', async () => {
    const answer = await ask(all.url, '/v1/accounts', APP, gateway.operatorKey);
    expect(answer).toEqual({ status: 200 });
  });

  test('has the gateway’s CORS headers, and keeps the Vary of the upstream', async () => {
    const path = '/v1/fixed?do=cors';
    const answer = await ask(some.url, path, APP, customer.key);
    expect(answer).toMatchObject({
      status: 200,
      'access-control-allow-origin': APP,
      vary: 'Accept-Encoding, Origin',
    });
    expect(answer).not.toHaveProperty('access-control-allow-credentials');
    expect(await ask(gateway.url, path, APP, customer.key)).toEqual({
      status: 200,
      vary: 'Accept-Encoding',
    });
  });
});
