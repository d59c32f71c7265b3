import { spawn } from 'node:child_process';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pipeline } from '../../src/db/connection/pipeline.ts';
import { Readiness } from '../../src/db/readiness.ts';
import { useDatabase } from '../postgres.ts';
import { newFundedAccount, newOperatorKey } from './books.ts';
import { call } from './client.ts';
import { type Node, startNode, useNodes } from './node.ts';

/**
 * Bounds on the cost of clients' connections for a node, and of a flood of requests for PostgreSQL.
 */

const db = useDatabase();
useNodes();
const MOST = 12;
let node: Node;
let key: string;
let account: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  node = await startNode({ DATABASE_URL: db.databaseUrl, PURSER_MAX_CONNECTIONS: `${MOST}` });
  key = await newOperatorKey(db);
  account = await newFundedAccount(node.url, key, ['1']);
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await node.end();
});

/** A connection that keeps everything that it receives. `closed` resolves when it ends. */
function connect(text = ''): { socket: Socket; received: () => string; closed: Promise<void> } {
  const socket = createConnection(Number(new URL(node.url).port), '127.0.0.1');
  sockets.push(socket);
  let received = '';
  socket.setEncoding('utf8');
  socket.on('data', (piece) => {
    received += piece;
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(text);
  return { socket, received: () => received, closed };
}

/** Bounds a wait. The server promises these bounds; they are no measures of speed. */
const within = (ms: number, promise: Promise<void>) =>
  Promise.race([promise.then(() => 'closed'), delay(ms, 'open', { ref: false })]);

// Those that wait for the server's bounds wait at the same time.
describe('a connection', () => {
  const unfinished = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{`;

  test.concurrent.each([
    ['401', '/v1/charges'],
    ['414', `/v1/charges?${'x'.repeat(3_000)}`],
  ])('that is answered %s before its body has come is ended soon', async (status, path) => {
    const { received, closed } = connect(unfinished(path));
    expect(await within(8_000, closed)).toBe('closed');
    expect(received()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  test.concurrent('is ended if its headers do not come', async () => {
    const { received, closed } = connect('GET /healthz HTTP/1.1\r\nHo');
    expect(await within(30_000, closed)).toBe('closed');
    expect(received()).toMatch(/^HTTP\/1.1 408 /);
  });

  test('is kept for the next request if a body comes a moment after the answer', async () => {
    const { socket, received } = connect(unfinished('/v1/charges'));
    await expect.poll(received).toMatch(/^HTTP\/1.1 401 /);
    socket.write(`${' '.repeat(59_998)}}`);
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(received).toMatch(/HTTP\/1.1 200 /);
  });

  test('beyond the most that a server accepts is closed, and the next is served after one has gone', async () => {
    const held = Array.from({ length: 2 * MOST }, () =>
      connect('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'),
    );
    const served = () => held.filter(({ received }) => received().includes(' 200 '));
    await expect
      .poll(() => held.filter(({ socket }) => socket.destroyed).length)
      .toBeGreaterThan(0);
    await expect
      .poll(() => served().length + held.filter(({ socket }) => socket.destroyed).length)
      .toBe(held.length);
    expect(served().length).toBeLessThanOrEqual(MOST);
    for (const { socket } of held) socket.destroy();
    await expect.poll(() => call('GET', `${node.url}/healthz`)).toMatchObject({ status: 200 });
    expect(node.output()).toContain('too many connections');
  });
});

describe('the readiness', () => {
  test('does not wait behind a pool that is busy', async () => {
    const holder = new pg.Client(db.config);
    await holder.connect();
    await holder.query('begin; lock table accounts');
    const url = `${node.url}/v1/accounts/${account}`;
    const stuck = Array.from({ length: 8 }, () => call('GET', url, { key }));
    const waiting = `select from pg_stat_activity where datname = current_database()
      and application_name = 'purser' and wait_event_type = 'Lock'`;
    await expect.poll(() => db.query(waiting)).toHaveLength(8);
    const answers = await Promise.all([1, 2, 3].map(() => call('GET', `${node.url}/readyz`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await db.query(waiting)).toHaveLength(8);
    await holder.end();
    expect((await Promise.all(stuck)).map(({ status }) => status)).toEqual(Array(8).fill(200));
  });

  test('asks PostgreSQL once for a flood of requests', async () => {
    let asked = 0;
    const row = { is_writable: true, migrations: [] };
    const pipeline = {
      lost: false,
      close: () => {},
      flush: async () => {
        asked += 1;
        return [{ ok: true, rows: [row], tag: 'SELECT' }];
      },
    } as unknown as Pipeline;
    const ready = new Readiness(async () => pipeline);
    await Promise.all(Array.from({ length: 1_000 }, () => ready.check()));
    for (let turn = 0; turn < 100; turn += 1) await ready.check();
    expect(asked).toBe(1);
    await ready.stop();
  });
});

test('a database on another machine without sslmode is warned of, with the cure', async () => {
  const purser = fileURLToPath(new URL('../../bin/purser.js', import.meta.url));
  const child = spawn(process.execPath, [purser, 'account', 'list'], {
    // 0.0.0.0 reaches this machine, but does not count as loopback. Nothing listens on port 1.
    env: { PATH: '/usr/bin:/bin', DATABASE_URL: 'postgres://purser@0.0.0.0:1/purser' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (data) => {
    output += data;
  });
  await expect.poll(() => output, { timeout: 20_000 }).toContain('sslmode=verify-full');
  expect(output).toContain('DATABASE_URL');
  child.kill('SIGKILL');
});
