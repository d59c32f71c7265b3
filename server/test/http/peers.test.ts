import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { HttpParts } from '../../src/http/door/parts.ts';
import { trustOnly } from '../../src/http/door/peers.ts';
import { buildHttp } from '../../src/http/server.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

describe('a proxy', () => {
  const isTrusted = trustOnly(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::ffff:172.16.0.0/112']);

  test.each([
    '10.1.2.3',
    '::ffff:10.1.2.3',
    '192.0.2.1',
    'fd12::1',
    '172.16.3.4',
    '::ffff:172.16.3.4',
  ])('is trusted if it is listed: %s', (address) => {
    expect(isTrusted(address)).toBe(true);
  });

  test.each(['11.1.2.3', '192.0.2.2', 'fe80::1', '::ffff:11.0.0.1', '', 'unknown', undefined])(
    'is not trusted if it is not: %s',
    (address) => {
      expect(isTrusted(address)).toBe(false);
    },
  );

  test('is never trusted if none is listed', () => {
    expect(trustOnly([])('127.0.0.1')).toBe(false);
  });
});

describe('a request id from outside', () => {
  /** The request id in the answer to a request that brings an id, behind these proxies. */
  async function requestId(trustedProxies: readonly string[], given: string): Promise<unknown> {
    const unused = new Proxy({}, { get: () => () => Promise.reject(new Error('not asked')) });
    const app = await buildHttp({
      database: unused,
      ledger: unused,
      keys: unused,
      metrics: new Metrics(),
      log: pino({ level: 'silent' }),
      readiness: async () => ({ database: true, migrations: true }),
      trustedProxies,
    } as unknown as HttpParts);
    const remoteAddress = '10.1.2.3';
    const headers = { 'x-request-id': given };
    const answer = await app.inject({ url: '/healthz', headers, remoteAddress });
    await app.close();
    return answer.headers['x-request-id'];
  }

  test('is taken from a trusted proxy if it is well formed, and from nobody else', async () => {
    expect(await requestId(['10.0.0.0/8'], 'trace-7.a_b')).toBe('trace-7.a_b');
    expect(await requestId(['10.0.0.0/8'], 'no good')).not.toBe('no good');
    expect(await requestId(['11.0.0.0/8'], 'trace-7.a_b')).not.toBe('trace-7.a_b');
    expect(await requestId([], 'trace-7.a_b')).not.toBe('trace-7.a_b');
  });
});
