import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { type Customer, useGateway } from './rig.ts';

/** No customer takes more than a fair share of the gateway. */

const db = useDatabase();
const gateway = useGateway(
  db,
  (upstream) => `
upstreams:
  narrow: {base_url: ${upstream}, connections: 2}
  wide: {base_url: ${upstream}, connections: 300}
routes:
  narrow: &route
    methods: [GET]
    path: /narrow
    scope: search
    upstream: narrow
    price: [{per_call: "0.5"}]
  few: {<<: *route, path: /few, upstream: wide, concurrency: 2}
  other: {<<: *route, path: /other, upstream: wide, concurrency: 2}
  items:
    methods: [POST]
    path: /items
    scope: search
    upstream: wide
    largest_body_bytes: 2000000
    price: [{per: items, cents: "0.1", of: request, count: $count(request.items)}]
  slow:
    methods: [POST]
    path: /slow
    scope: search
    upstream: wide
    price: [{per_call: "0.5"}]
`,
);

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

const seen = (mark: string) =>
  gateway.upstream.requests.filter(({ url }) => url.includes(mark)).length;

/** Begins a call that the upstream does not answer. Resolves once the upstream has it. */
async function hang(customer: Customer, path: string): Promise<() => void> {
  const mark = `mark=${seen('')}-${Math.random()}`;
  const sent = request(`${gateway.url}${path}?do=silence&${mark}`, {
    headers: { 'x-api-key': customer.key },
  });
  sent.on('error', () => {}).end();
  await expect.poll(() => seen(mark)).toBe(1);
  return () => void sent.destroy();
}

describe('a key', () => {
  test('has so many calls under way on a route, and the next when one has ended', async () => {
    const customer = await gateway.customer('10');
    const leave = [await hang(customer, '/few'), await hang(customer, '/few')];
    const third = await customer.get('/few');
    expect([third.status, JSON.parse(third.body).code]).toEqual([429, 'too_many_calls']);
    expect(third.headers['retry-after']).toBe('1');
    expect((await customer.get('/other')).status).toBe(200);
    expect((await (await gateway.customer('10')).get('/few')).status).toBe(200);
    leave[0]?.();
    await expect.poll(async () => (await customer.get('/few')).status).toBe(200);
    leave[1]?.();
  });
});

describe('an account', () => {
  test('has half of the connections to an upstream', async () => {
    const [one, other] = [await gateway.customer('10'), await gateway.customer('10')];
    const leave = await hang(one, '/narrow');
    expect((await one.get('/narrow')).status).toBe(429);
    expect((await other.get('/narrow')).status).toBe(200);
    leave();
  });

  test('that finds no connection is told so after a while, and pays nothing', async () => {
    const [one, other, third] = [
      await gateway.customer('10'),
      await gateway.customer('10'),
      await gateway.customer('10'),
    ];
    const leave = [await hang(one, '/narrow'), await hang(other, '/narrow')];
    const refused = await third.get('/narrow');
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, 'overloaded']);
    const waiting = third.get('/narrow');
    leave[0]?.();
    expect((await waiting).status).toBe(200);
    expect(await third.balance()).toBe('9.5');
    leave[1]?.();
  });

  test('with 140 bodies that do not end starves no other', async () => {
    const [slow, quick] = [await gateway.customer('1000'), await gateway.customer('10')];
    const { port } = new URL(gateway.url);
    for (let n = 0; n < 140; n += 1) {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
      socket.write(
        `POST /slow HTTP/1.1\r\nhost: x\r\nx-api-key: ${slow.key}\r\ncontent-length: 100\r\n\r\nx`,
      );
      open.push(socket);
    }
    const before = gateway.upstream.requests.length;
    for (let n = 0; n < 5; n += 1) {
      const answer = await quick.get('/slow', { method: 'POST', body: 'x' });
      expect(answer.status).toBe(200);
    }
    expect(gateway.upstream.requests.length).toBe(before + 5);
    expect(await slow.balance()).toBe('1000');
  });

  test('without credit is refused before its body is read', async () => {
    const poor = await gateway.customer('0');
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    open.push(socket);
    const head = `POST /items HTTP/1.1\r\nhost: x\r\nx-api-key: ${poor.key}\r\n`;
    socket.write(`${head}content-type: application/json\r\ncontent-length: 1000000\r\n\r\n{`);
    const [piece] = await new Promise<Buffer[]>((resolve) => {
      socket.once('data', (data) => resolve([data]));
    });
    expect(String(piece)).toMatch(/^HTTP\/1\.1 402 /);
    expect(String(piece)).toContain('"code":"insufficient_credits"');
  });
});
