import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processes } from '../embedded/processes.ts';

/** The demonstration (`npm run demo:gateway`) runs, and the commands that it prints work. */

const START = fileURLToPath(new URL('../../../examples/gateway/start.mjs', import.meta.url));
const UPSTREAM = new URL('../../../examples/gateway/upstream.mjs', import.meta.url).href;

/**
 * The temporary folder of the demonstrations. PostgreSQL, not run by root, must be able to enter
 * it.
 */
const folder = mkdtempSync(join(tmpdir(), 'demo-test-'));
chmodSync(folder, 0o755);
const demos: ChildProcess[] = [];
let demo: ChildProcess;
let output = '';

/** Starts a demonstration in its own process group, as a shell does. */
function startDemo(port: string): ChildProcess {
  const env = { PATH: '/usr/bin:/bin', TMPDIR: folder, PURSER_PORT: port };
  const child = spawn(process.execPath, [START], { env, detached: true });
  demos.push(child);
  return child;
}

/**
 * Resolves when the demonstration has printed everything; rejects with its output if it ends
 * before.
 */
function printed(child: ChildProcess): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    const hear = (piece: Buffer) => {
      text += piece;
      if (text.includes('Ctrl-C')) resolve(text);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('close', () => reject(new Error(text)));
  });
}

/** The processes that use a demonstration's folder. */
const working = () => processes().filter(({ args }) => args.includes(folder));

beforeAll(async () => {
  demo = startDemo('0');
  output = await printed(demo);
});

afterAll(async () => {
  for (const child of demos) {
    const ended = once(child, 'exit');
    if (child.kill('SIGTERM')) await ended;
  }
  for (const { pid } of working()) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Purser's files that a demonstration has left behind. Caches of its libraries do not count. */
const left = () => readdirSync(folder).filter((name) => name.startsWith('purser'));

/** Sends the request of a printed curl command: its URL, headers and body. */
function send(line: string): Promise<Response> {
  const texts = [...line.matchAll(/'([^']*)'/g)].map(([, text = '']) => text);
  const [url = '', ...rest] = texts;
  const body = rest.find((text) => text.startsWith('{'));
  const headers = rest
    .filter((text) => text.includes(': ') && text !== body)
    .map((text): [string, string] => text.split(': ') as [string, string]);
  return fetch(url, { headers, ...(body !== undefined && { method: 'POST', body }) });
}

interface Listed {
  readonly data: readonly { readonly attributes: Readonly<Record<string, unknown>> }[];
}

test('each call that it prints works, costs what it says, and is accounted for', async () => {
  const lines = output.split('\n').filter((line) => line.startsWith('  curl'));
  const answers = [];
  for (const line of lines) answers.push(await send(line));
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
  const charged = answers.slice(0, 4).map(({ headers }) => headers.get('x-credits-charged'));
  const bodies = await Promise.all(answers.map((answer) => answer.json()));
  const { web, news } = (bodies[1] as { results: Record<'web' | 'news', object[]> }).results;
  const pages = web.length + news.length;
  expect(pages).toBeGreaterThan(0);
  const costs = ['0.5', String((5 + pages) / 10), '0.1', '0.5'];
  expect(charged).toEqual(costs);
  expect(bodies[4]).toMatchObject({ data: { attributes: { allowed: true, amount: '0.1' } } });
  const balance = (100_000 - 5 - (5 + pages) - 1 - 5) / 10;
  expect(bodies[5]).toMatchObject({ data: { attributes: { balance } } });
  const charges = (bodies[6] as Listed).data.map(({ attributes }) => attributes['amount']);
  expect(charges).toEqual(costs.toReversed());
  const usage = (bodies[7] as Listed).data.map(({ attributes: { route, charges, net } }) => ({
    route,
    charges,
    net,
  }));
  expect(usage).toHaveLength(2);
  expect(usage).toContainEqual({ route: 'contents', charges: 1, net: '0.1' });
  expect(usage).toContainEqual({ route: 'search', charges: 3, net: String((15 + pages) / 10) });
});

test('a call with an idempotency key is answered again, for free', async () => {
  const [line = ''] = output.split('\n').filter((text) => text.includes('Idempotency-Key'));
  const answers = [await send(line), await send(line)];
  expect(answers.map(({ headers }) => headers.get('idempotency-replayed'))).toContain('true');
  expect(answers[1]?.headers.get('x-credits-charged')).toBe('0');
  const [first, again] = await Promise.all(answers.map((answer) => answer.text()));
  expect(again).toBe(first);
});

test('a call leads to its receipt by the X-Charge-Id of its answer', async () => {
  const [line = ''] = output.split('\n').filter((text) => text.includes('livecrawl'));
  const answer = await send(line);
  const url = /http:\/\/[^/]+/.exec(line)?.[0] ?? '';
  const key = /X-API-Key: (\S+?)'/.exec(line)?.[1] ?? '';
  const receipt = await fetch(`${url}/v1/billing/charges/${answer.headers.get('x-charge-id')}`, {
    headers: { 'x-api-key': key },
  });
  expect(await receipt.json()).toMatchObject({
    data: {
      attributes: {
        amount: answer.headers.get('x-credits-charged'),
        call: { route: 'search', price_version: 1 },
      },
    },
  });
});

test('the API behind it refuses every request without its secret', async () => {
  const { startUpstream } = await import(UPSTREAM);
  const { server, url } = (await startUpstream('secret')) as { server: Server; url: string };
  const status = async (headers: Record<string, string>) =>
    (await fetch(`${url}/v1/search?query=hold`, { headers })).status;
  expect([await status({}), await status({ 'x-api-key': 'other' })]).toEqual([401, 401]);
  expect(await status({ 'x-api-key': 'secret' })).toBe(200);
  server.closeAllConnections();
  server.close();
});

describe('it ends', () => {
  test('on Ctrl-C, which a terminal sends to all of its processes, with nothing left', async () => {
    expect(working()).not.toEqual([]);
    const ended = once(demo, 'exit');
    process.kill(-(demo.pid ?? 0), 'SIGINT');
    expect(await ended).toEqual([0, null]);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? '';
    await expect(fetch(url)).rejects.toThrow();
    expect(working()).toEqual([]);
    expect(left()).toEqual([]);
  });

  test('and says why if its port is taken, with nothing left', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const child = startDemo(String(port));
    const ended = once(child, 'exit');
    await expect(printed(child)).rejects.toThrow(
      new RegExp(
        `^The demonstration failed.*\\nError: .* port ${port}\\.\\n.*\\n.*PURSER_PORT`,
        'm',
      ),
    );
    expect(await ended).toEqual([1, null]);
    expect(working()).toEqual([]);
    expect(left()).toEqual([]);
    other.close();
  });
});
