import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { startNode, useNodes } from '../nodes/node.ts';
import { useDatabase } from '../postgres.ts';
import { type Customer, useGatewayBy } from './rig.ts';
import type { TestUpstream } from './upstream.ts';

/** Streams that break before their first byte, or after an error event. */

const db = useDatabase();
useNodes();
const gateway = useGatewayBy(
  startNode,
  db,
  (upstream) => `
upstreams:
  up: {base_url: "${upstream}"}
routes:
  fixed: &route
    methods: [GET]
    path: /fixed
    scope: search
    upstream: up
    price:
      - per_call: "0.5"
  events:
    <<: *route
    path: /events
    count_event_with: usage
    error_event: error
    price:
      - {per: output, cents: "0.1", count: answer.usage.output, at_most: 20}
`,
  startUpstream,
);

/** An upstream that sends the head of a stream, and then disconnects or sends an error event. */
async function startUpstream(): Promise<TestUpstream> {
  const server = createServer(({ url }, response) => {
    const query = new URL(url ?? '', 'http://upstream').searchParams;
    // A 304 has no body, but undici expects one of this length and reports that it is missing.
    if (query.get('do') === 'mismatch') {
      response.writeHead(304, { 'content-length': 100_000 }).end();
      return;
    }
    response.writeHead(200, { 'content-type': query.get('type') ?? 'text/event-stream' });
    response.flushHeaders();
    if (query.get('do') === 'fail') fail(response);
    else setTimeout(() => response.destroy(), 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    aborted: () => 0,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Sends usage, then an error event, and ends the stream 500 ms later. */
function fail(response: ServerResponse): void {
  response.write('data: {"usage":{"output":3}}\n\n');
  response.write('data: {"error":{"message":"overloaded"}}\n\n');
  setTimeout(() => response.end(), 500);
}

/** The endings of an account's calls, once so many have ended. */
async function endingsOf({ account }: Customer, calls: number): Promise<string[]> {
  const read = () =>
    db.query<{ ending: string }>('select ending from call_endings where account_id = $1', [
      account.slice(0, 32),
    ]);
  await expect.poll(async () => (await read()).length, { timeout: 5_000 }).toBe(calls);
  return (await read()).map(({ ending }) => ending);
}

/** The ending of an account's only call, once it has ended. */
async function endingOf(customer: Customer): Promise<string | undefined> {
  return (await endingsOf(customer, 1))[0];
}

test.each([
  ['GET', '/fixed?type=text/plain', {}],
  ['GET', '/fixed?type=text/plain', { 'idempotency-key': 'fixed' }],
  ['HEAD', '/fixed?type=text/plain', {}],
  ['GET', '/events', {}],
  ['GET', '/events', { 'idempotency-key': 'events' }],
  ['HEAD', '/events', {}],
])('%s %s %j is free if the upstream breaks off before the first byte', async (...asked) => {
  const [method, path, headers] = asked;
  const customer = await gateway.customer('10');
  const answer = await customer.get(path, { method, headers });
  expect(method === 'HEAD' || !answer.isWhole).toBe(true);
  expect(await endingOf(customer)).toBe('upstream_broke_off');
  expect(await customer.balance()).toBe('10');
  expect(gateway.node.process.exitCode).toBeNull();
});

test('a client that leaves because the stream reports a failure pays nothing', async () => {
  const customer = await gateway.customer('10');
  const answer = await customer.get('/events?do=fail', { leaveAfter: 40 });
  expect(answer.body).toContain('overloaded');
  expect(await endingOf(customer)).toBe('upstream_error_event');
  expect(await customer.balance()).toBe('10');
});

test('a stream that reports a failure leaves the idempotency key free if its client has left', async () => {
  const customer = await gateway.customer('10');
  const headers = { 'idempotency-key': 'failure' };
  await customer.get('/events?do=fail', { headers, leaveAfter: 40 });
  expect(await endingOf(customer)).toBe('upstream_error_event');
  const again = await customer.get('/events?do=fail', { headers });
  expect([again.status, again.body.includes('overloaded')]).toEqual([200, true]);
  expect(await customer.balance()).toBe('10');
});

test('a stream that breaks off while it is settled ends its call, though the client has left', async () => {
  const customer = await gateway.customer('10');
  const headers = { 'idempotency-key': 'mismatch' };
  for (const _ of [1, 2]) await customer.get('/events?do=mismatch', { headers });
  expect(await endingsOf(customer, 2)).toEqual(['upstream_broke_off', 'upstream_broke_off']);
  expect(await customer.balance()).toBe('10');
});

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});
