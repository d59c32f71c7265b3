import { request } from 'node:http';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { verify } from '../../src/ledger/proof/verify.ts';
import { startNode, useNodes } from '../nodes/node.ts';
import { useDatabase } from '../postgres.ts';
import { answering, useRawUpstream } from './raw-upstream.ts';
import { type Customer, useGatewayBy } from './rig.ts';

/** Hostile customers and upstreams. */

const db = useDatabase();
const upstream = useRawUpstream();
useNodes();
const gateway = useGatewayBy(
  startNode,
  db,
  (ample) => `
upstreams:
  ample: {base_url: "${ample}"}
  up: {base_url: "${upstream.url}"}
routes:
  fixed:
    methods: [GET, POST]
    path: /fixed
    scope: search
    upstream: up
    largest_body_bytes: 1000
    longest_s: 3
    price:
      - per_call: "0.5"
  upload:
    methods: [POST]
    path: /upload
    scope: search
    upstream: up
    largest_body_bytes: 100000
    longest_s: 3
    price:
      - per_call: "0.5"
  large:
    methods: [GET]
    path: /large
    scope: search
    upstream: ample
    metering_buffer_bytes: 60000000
    longest_s: 5
    price:
      - {per: items, cents: "0.000001", count: $count(answer.items), at_most: 20}
    settlement: {client_left_midway: free, above_maximum: counted}
  counted:
    methods: [GET]
    path: /counted
    scope: search
    upstream: up
    longest_s: 3
    price:
      - {per: items, cents: "0.1", count: $count(answer.items), at_most: 20}
`,
);

/** The endings of an account's calls, once all have ended. */
async function endingsOf({ account }: Customer, calls = 1): Promise<string[]> {
  const read = () =>
    db.query<{ ending: string }>(
      'select ending from call_endings where account_id = $1 order by number',
      [account.slice(0, 32)],
    );
  const ended = async () => {
    const rows = await read();
    expect(rows).toHaveLength(calls);
    return rows.map(({ ending }) => ending);
  };
  return vi.waitFor(ended, { timeout: 12_000, interval: 50 });
}

const JSON_HEAD = ['HTTP/1.1 200 OK', 'Content-Type: application/json', 'Content-Length: 15'];
const TWO = '{"items":[1,2]}';

test.each([
  ['/fixed', '9.5'],
  ['/counted', '9.8'],
])('an answer to %s with two lines of Connection is passed on and paid', async (path, left) => {
  const customer = await gateway.customer('10');
  const head = [...JSON_HEAD, 'Connection: keep-alive', 'Connection: X-Hop', 'X-Hop: 1'];
  const answer = await customer.get(`${path}${answering(head, TWO)}`);
  expect([answer.status, answer.body, answer.headers['x-hop']]).toEqual([200, TWO, undefined]);
  expect(await endingsOf(customer)).toEqual(['delivered']);
  expect(await customer.balance()).toBe(left);
});

test.each([204, 304])(
  'an answer of status %d is empty, though it is called a stream of events, and counts as nothing',
  async (status) => {
    const customer = await gateway.customer('10');
    const head = [`HTTP/1.1 ${status} -`, 'Content-Type: text/event-stream'];
    const answer = await customer.get(`/counted${answering(head)}`);
    expect([answer.status, answer.isWhole]).toEqual([status, true]);
    expect(await endingsOf(customer)).toEqual(['delivered']);
    expect(await customer.balance()).toBe('10');
    expect(gateway.node.process.exitCode).toBeNull();
  },
);

test.each([
  ['/counted', false],
  ['/fixed', true],
])('parts of an answer can be had where they can be paid: %s %s', async (path, isAsked) => {
  const customer = await gateway.customer('10');
  const headers = { range: 'bytes=1-', 'if-none-match': '"x"' };
  await customer.get(`${path}${answering(JSON_HEAD, TWO)}`, { headers });
  const head = upstream.heads.at(-1)?.toLowerCase();
  expect([head?.includes('range:'), head?.includes('if-none-match:')]).toEqual([isAsked, isAsked]);
});

test('nothing of an answer that cannot be parsed is logged', async () => {
  const customer = await gateway.customer('10');
  const head = ['HTTP/1.1 200 OK', 'No Header: 1'];
  const answer = await customer.get(`/fixed${answering(head, 'private')}`);
  expect(answer.status).toBe(502);
  await expect.poll(() => gateway.node.output()).toContain('HTTPParserError');
  expect(gateway.node.output()).not.toContain('private');
});

/** Sends raw bytes. Resolves with everything that comes until the gateway closes the connection. */
async function rawAnswer(lines: readonly string[], body = ''): Promise<string> {
  const client = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  client.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  for await (const piece of client) text += piece;
  return text;
}

test('a client of HTTP/1.0 gets a stream without chunks and trailers, and pays it', async () => {
  const customer = await gateway.customer('10');
  const events = 'data: {"items":[1,2,3]}\n\n';
  const head = ['HTTP/1.1 200 OK', 'Content-Type: text/event-stream', 'Transfer-Encoding: chunked'];
  const chunk = `${events.length.toString(16)}\r\n${events}\r\n0\r\n\r\n`;
  const path = `/counted${answering(head, chunk)}`;
  const answer = await rawAnswer([`GET ${path} HTTP/1.0`, `X-API-Key: ${customer.key}`]);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer.toLowerCase()).not.toMatch(/\r\n(transfer-encoding|trailer):/);
  expect(answer.endsWith(`\r\n\r\n${events}`)).toBe(true);
  expect(await endingsOf(customer)).toEqual(['delivered']);
  expect(await customer.balance()).toBe('9.7');
});

test('a client that waits for 100 Continue gets it, and its Expect header is not forwarded', async () => {
  const customer = await gateway.customer('10');
  const path = `/fixed${answering(JSON_HEAD, TWO)}`;
  const lines = [`POST ${path} HTTP/1.1`, 'Host: x', `X-API-Key: ${customer.key}`];
  const more = ['Content-Length: 2', 'Expect: 100-continue', 'Connection: close'];
  const answer = await rawAnswer([...lines, ...more], '{}');
  expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  expect(upstream.heads.at(-1)?.toLowerCase()).not.toContain('expect:');
  expect(await customer.balance()).toBe('9.5');
});

test.each([
  ['/fixed', 600],
  ['/counted', 600],
  ['/counted', 999],
])('an answer to %s of status %d is none: 502, and nothing paid', async (path, status) => {
  const customer = await gateway.customer('10');
  const head = [`HTTP/1.1 ${status} -`, ...JSON_HEAD.slice(1)];
  const answer = await customer.get(`${path}${answering(head, TWO)}`);
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([502, 'upstream_failed']);
  expect(await endingsOf(customer)).toEqual(['upstream_unreachable']);
  expect(await customer.balance()).toBe('10');
});

test.each([
  ['/fixed', '9.5'],
  ['/counted', '9.8'],
])('of two lines of Content-Type in an answer to %s the first counts', async (path, left) => {
  const customer = await gateway.customer('10');
  const answer = await customer.get(
    `${path}${answering([...JSON_HEAD, 'Content-Type: text/html'], TWO)}`,
  );
  expect([answer.status, answer.body]).toEqual([200, TWO]);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(await endingsOf(customer)).toEqual(['delivered']);
  expect(await customer.balance()).toBe(left);
});

test('pipelined requests whose client leaves before their turn are not begun', async () => {
  const customer = await gateway.customer('10');
  const { port } = new URL(gateway.url);
  const client = connect(Number(port), '127.0.0.1').on('error', () => {});
  for (const path of [`/fixed${answering([])}`, '/fixed', '/counted']) {
    client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${customer.key}\r\n\r\n`);
  }
  await expect.poll(() => customer.balance()).toBe('9.5');
  client.destroy();
  expect(await endingsOf(customer)).toEqual(['client_left_before_answer']);
  expect(await customer.balance()).toBe('9.5');
});

test('a client that makes its body too large after the answer has begun has left midway', async () => {
  const customer = await gateway.customer('10');
  const head = ['HTTP/1.1 200 OK', 'Content-Type: text/plain', 'Transfer-Encoding: chunked'];
  const sent = request(`${gateway.url}/upload${answering(head, '4\r\nmost\r\n')}`, {
    method: 'POST',
    headers: { 'x-api-key': customer.key, 'content-type': 'text/plain' },
  });
  sent.on('error', () => {});
  sent.on('response', (answer) => {
    answer.once('data', () => sent.write('x'.repeat(200_000))).on('error', () => {});
  });
  sent.write('x');
  expect(await endingsOf(customer)).toEqual(['client_left_midway']);
  expect(await customer.balance()).toBe('9.5');
});

test('a client that leaves before the first byte of its large body pays nothing', async () => {
  const customer = await gateway.customer('10');
  const before = upstream.heads.length;
  const sent = request(`${gateway.url}/upload`, {
    method: 'POST',
    headers: { 'x-api-key': customer.key, 'content-type': 'text/plain', 'content-length': 90_000 },
  });
  sent.on('error', () => {}).flushHeaders();
  await expect.poll(() => customer.balance()).toBe('9.5');
  sent.destroy();
  expect(await endingsOf(customer)).toEqual(['client_left_before_answer']);
  expect(await customer.balance()).toBe('10');
  expect(upstream.heads.length).toBe(before);
});

/** The status of the answer to a request whose body begins and does not end. */
function statusWithoutEnd(path: string, key: string): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'text/plain' },
    });
    sent.on('response', ({ statusCode }) => resolve(statusCode ?? 0));
    sent.on('error', () => resolve(0)).write('x');
  });
}

test('a client that leaves midway in an answer that was counted as a whole has left midway', async () => {
  const customer = await gateway.customer('10');
  await customer.get('/large?items=900000', { leaveAfter: 1 });
  expect(await endingsOf(customer)).toEqual(['client_left_midway']);
});

test('an overage is given back with the rest', async () => {
  const customer = await gateway.customer('10');
  await customer.get('/large?items=900000', { leaveAfter: 1 });
  expect(await endingsOf(customer)).toEqual(['client_left_midway']);
  expect(await customer.balance()).toBe('10');
});

test('a client whose large body does not end has left, and no upstream was slow', async () => {
  const customer = await gateway.customer('10');
  await statusWithoutEnd('/upload', customer.key);
  expect(await endingsOf(customer)).toEqual(['client_left_before_answer']);
  expect(await customer.balance()).toBe('9.5');
});

test('a small body that does not end is neither paid nor forwarded: 408', async () => {
  const customer = await gateway.customer('10');
  expect(await statusWithoutEnd('/fixed?small', customer.key)).toBe(408);
  expect(upstream.heads.filter((head) => head.includes('?small'))).toEqual([]);
  expect(await customer.balance()).toBe('10');
});

test('a client that reads nothing keeps its answer no longer than a call may take', async () => {
  const customer = await gateway.customer('10');
  const { port } = new URL(gateway.url);
  const client = connect(Number(port), '127.0.0.1').on('error', () => {});
  client
    .pause()
    .write(`GET /large?items=900000 HTTP/1.1\r\nHost: x\r\nX-API-Key: ${customer.key}\r\n\r\n`);
  expect(await endingsOf(customer)).toEqual(['client_left_midway']);
  client.destroy();
});

test('an idempotency key is not free before what was paid under it is given back', async () => {
  const customer = await gateway.customer('10');
  const ask = () => customer.get('/fixed?silent', { headers: { 'idempotency-key': 'one' } });
  const first = ask();
  await expect.poll(() => customer.balance()).toBe('9.5');
  const id = customer.account.slice(0, 32);
  const locked = db.query(`do $$ begin
    perform from balances where account_id = '${id}' for update;
    perform pg_sleep(8);
  end $$`);
  expect((await first).status).toBe(504);
  expect(JSON.parse((await ask()).body).code).toBe('in_progress');
  await locked;
  expect(await endingsOf(customer)).toEqual(['time_exceeded']);
  expect(await customer.balance()).toBe('10');
}, 20_000);

test('after all of it the books add up', async () => {
  expect((await verify(db.database)).problem).toBeNull();
});

test('no call is left over to delay the stop', async () => {
  expect(await gateway.node.end()).toBe(0);
});
