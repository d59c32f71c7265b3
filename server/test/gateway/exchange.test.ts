import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { Exchange } from '../../src/gateway/upstream/exchange.ts';

/** Every ending of an exchange: a request to an upstream, and its answer. */

const open: { server: Server; pool: Pool }[] = [];
afterEach(async () => {
  for (const { server, pool } of open.splice(0)) {
    await pool.destroy();
    server.closeAllConnections();
    server.close();
  }
});

/** An upstream that takes one request at a time. */
async function upstream(listener: RequestListener): Promise<Pool> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 1 });
  open.push({ server, pool });
  return pool;
}

function exchangeWith(pool: Pool, body: Buffer | Readable | null = null) {
  const told = { over: 0 };
  const exchange = new Exchange(() => {
    told.over += 1;
  });
  const method = body === null ? 'GET' : 'POST';
  return { exchange, told, answer: exchange.ask(pool, { method, path: '/', body }) };
}

test('a small answer comes whole', async () => {
  const pool = await upstream((_, response) => {
    response.writeHead(201, { 'content-length': 6, 'x-more': 'yes' });
    response.write('abc');
    setTimeout(() => response.end('def'), 20);
  });
  const { answer, exchange } = exchangeWith(pool);
  const { status, headers, body } = await answer;
  expect([status, headers['x-more'], String(body)]).toEqual([201, 'yes', 'abcdef']);
  expect(exchange.status).toBe(201);
});

/** More chunks than the socket buffers between two processes can hold. */
const PIECES = 400;
const PIECE = Buffer.alloc(100_000, 'p');

test.each([
  ['of unknown length', {}],
  ['that announces to be large', { 'content-length': PIECES * PIECE.length }],
])('an answer %s streams, and its reader holds the upstream up', async (_, headers) => {
  let written = 0;
  const pool = await upstream((_request, response) => {
    response.writeHead(200, headers);
    const more = () => {
      while (written < PIECES) {
        written += 1;
        if (!response.write(PIECE)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  });
  const { body } = await exchangeWith(pool).answer;
  if (!(body instanceof Readable)) throw new Error('it came whole');
  await delay(200);
  expect(written).toBeLessThan(PIECES);
  expect((await buffer(body)).length).toBe(PIECES * PIECE.length);
});

test('events stream, however few they are', async () => {
  const pool = await upstream((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': 9 });
    response.write('data: 1\n');
    setTimeout(() => response.end('\n'), 50);
  });
  const { body } = await exchangeWith(pool).answer;
  if (!(body instanceof Readable)) throw new Error('it came whole');
  const [first] = await once(body, 'data');
  expect(String(first)).toBe('data: 1\n');
});

test('an interim response (1xx) is not the answer', async () => {
  const pool = await upstream((_, response) => {
    response.writeEarlyHints({ link: '</a>; rel=preload' });
    response.end('answer');
  });
  const { status, body } = await exchangeWith(pool).answer;
  expect([status, String(body)]).toEqual([200, 'answer']);
});

test('a small answer that breaks off has a status and no body', async () => {
  const pool = await upstream((_, response) => {
    response.writeHead(200, { 'content-length': 10 });
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  });
  const { answer, exchange } = exchangeWith(pool);
  await expect(answer).rejects.toThrow();
  expect(exchange.status).toBe(200);
});

test('a streamed answer that breaks off fails its body, and frees its connection once', async () => {
  const pool = await upstream((_, response) => {
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  });
  const { answer, exchange, told } = exchangeWith(pool);
  const { body } = await answer;
  await expect(buffer(body as Readable)).rejects.toThrow();
  expect([exchange.brokeOff, told.over]).toEqual([true, 1]);
});

test('a call that ends while it waits for a connection ends at once, and is not sent', async () => {
  const sent: (string | undefined)[] = [];
  let release = () => {};
  const pool = await upstream((request, response) => {
    sent.push(request.method);
    release = () => response.end('first');
  });
  const first = exchangeWith(pool);
  await expect.poll(() => sent.length).toBe(1);
  const body = Readable.from(['a body'], { objectMode: false });
  for (const second of [exchangeWith(pool), exchangeWith(pool, body)]) {
    second.exchange.abort(new Error('client_left'));
    await expect(second.answer).rejects.toThrow('client_left');
    expect([second.exchange.status, second.exchange.isSent]).toEqual([null, false]);
  }
  expect(body.destroyed).toBe(true);
  release();
  expect(String((await first.answer).body)).toBe('first');
  const third = exchangeWith(pool);
  await expect.poll(() => sent.length).toBe(2);
  release();
  expect((await third.answer).status).toBe(200);
  expect(sent).toEqual(['GET', 'GET']);
});

/**
 * An answer that begins and does not end. `closed` tells whether the upstream's connection is
 * closed.
 */
async function exchangeWithoutEnd() {
  let isClosed = false;
  const pool = await upstream((request, response) => {
    request.socket.once('close', () => {
      isClosed = true;
    });
    response.write('a beginning');
  });
  return { closed: () => isClosed, ...exchangeWith(pool) };
}

test('a call that ends takes its connection and its body with it', async () => {
  const { answer, exchange, told, closed } = await exchangeWithoutEnd();
  const { body } = await answer;
  exchange.abort(new Error('server_stops'));
  await expect(buffer(body as Readable)).rejects.toThrow('server_stops');
  expect([exchange.brokeOff, told.over]).toEqual([false, 1]);
  await expect.poll(closed).toBe(true);
});

test('a body that is no longer read ends the upstream', async () => {
  const { answer, closed } = await exchangeWithoutEnd();
  const { body } = await answer;
  (body as Readable).destroy();
  await expect.poll(closed).toBe(true);
});

test('an invalid status is no answer', async () => {
  const pool = await upstream((_, response) => {
    response.statusCode = 799;
    response.end();
  });
  const { answer, exchange } = exchangeWith(pool);
  await expect(answer).rejects.toThrow('the status 799');
  expect(exchange.status).toBeNull();
});
