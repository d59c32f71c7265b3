import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** The demonstration runs as it is printed: `npm run demo:gateway`. */

const START = fileURLToPath(new URL('../../../examples/gateway/start.mjs', import.meta.url));

let demo: ChildProcess;
let output = '';

beforeAll(async () => {
  demo = spawn(process.execPath, [START], { env: { PATH: '/usr/bin:/bin', PURSER_PORT: '0' } });
  await new Promise<void>((resolve, reject) => {
    const hear = (piece: Buffer) => {
      output += piece;
      if (output.includes('Ctrl-C')) resolve();
    };
    demo.stdout?.on('data', hear);
    demo.stderr?.on('data', hear);
    demo.once('exit', () => reject(new Error(output)));
  });
}, 60_000);

afterAll(() => demo.kill('SIGKILL'));

/** Sends what a printed line would: curl's URL, headers and body. */
function send(line: string): Promise<Response> {
  const texts = [...line.matchAll(/'([^']*)'/g)].map(([, text = '']) => text);
  const [url = '', ...rest] = texts;
  const body = rest.find((text) => text.startsWith('{'));
  const headers = rest
    .filter((text) => text.includes(': ') && text !== body)
    .map((text): [string, string] => text.split(': ') as [string, string]);
  return fetch(url, { headers, ...(body !== undefined && { method: 'POST', body }) });
}

test('each call that it prints works, and costs what it says', async () => {
  const lines = output.split('\n').filter((line) => line.startsWith('  curl'));
  const answers = [];
  for (const line of lines) answers.push(await send(line));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200, 200]);
  const charged = answers.slice(0, 3).map(({ headers }) => headers.get('x-credits-charged'));
  const bodies = await Promise.all(answers.map((answer) => answer.json()));
  const { web, news } = (bodies[1] as { results: Record<'web' | 'news', object[]> }).results;
  const pages = web.length + news.length;
  expect(pages).toBeGreaterThan(0);
  expect(charged).toEqual(['0.5', String((5 + pages) / 10), '0.1']);
  expect(bodies[3]).toMatchObject({ data: { attributes: { allowed: true, amount: '0.1' } } });
  const left = (100_000 - 5 - (5 + pages) - 1) / 10;
  expect(bodies[4]).toMatchObject({ data: { attributes: { balance: left } } });
});

test('ends with nothing left running', async () => {
  demo.kill('SIGINT');
  const [code] = await once(demo, 'exit');
  expect(code).toBe(0);
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? '';
  await expect(fetch(url)).rejects.toThrow();
});
