import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type UpstreamClient, Upstreams } from '../../src/gateway/upstream/upstreams.ts';
import type { Upstream } from '../../src/pricing/book/price-book.ts';

/**
 * A new price book closes the connections of upstreams that it changes or drops, once calls end.
 */

let server: Server;
beforeAll(async () => {
  server = createServer((_, response) => response.end('here'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void server.close());

const connections = () => promisify(server.getConnections.bind(server))();

/** Uses a price book with one upstream, which has this timeout for its answer. */
function versionWith(upstreams: Upstreams, answerTimeoutMs: number): UpstreamClient {
  const upstream: Upstream = {
    name: 'up',
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secret: null,
    connections: 5,
    connectTimeoutMs: 1_000,
    answerTimeoutMs,
    idleTimeoutMs: 1_000,
  };
  const client = upstreams.use(new Map([['up', upstream]]), () => undefined).get('up');
  if (!client) throw new Error('an upstream has no client');
  return client;
}

async function ask({ pool }: UpstreamClient): Promise<string> {
  const { body } = await pool.request({ method: 'GET', path: '/' });
  return body.text();
}

test('connections that a new version does not need are closed when the last call has ended', async () => {
  const upstreams = new Upstreams();
  const client = versionWith(upstreams, 1_000);
  client.callBegan();
  client.callBegan();
  expect(await ask(client)).toBe('here');
  client.callEnded();
  expect(versionWith(upstreams, 2_000)).not.toBe(client);
  expect(await ask(client)).toBe('here');
  expect(await connections()).toBeGreaterThan(0);
  client.callEnded();
  await expect.poll(connections).toBe(0);
  await upstreams.close();
});

test('a call that begins after the last one of its version has ended has connections, too', async () => {
  const upstreams = new Upstreams();
  const client = versionWith(upstreams, 1_000);
  upstreams.use(new Map(), () => undefined);
  client.callBegan();
  expect(await ask(client)).toBe('here');
  client.callEnded();
  await expect.poll(connections).toBe(0);
});

test('connections that a new version has not changed are kept', async () => {
  const upstreams = new Upstreams();
  const client = versionWith(upstreams, 1_000);
  client.callBegan();
  expect(await ask(client)).toBe('here');
  client.callEnded();
  expect(versionWith(upstreams, 1_000)).toBe(client);
  expect(await connections()).toBeGreaterThan(0);
  await upstreams.close();
});
