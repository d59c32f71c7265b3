import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import picocolors from 'picocolors';
import { afterAll, expect, test } from 'vitest';
import { run } from '../../src/cli/run.ts';
import { SOUND, textWith } from './books.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'purser-prices-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `purser prices …`, which must use neither a server nor a database. */
async function prices(...args: string[]) {
  const written = { out: '', errors: '' };
  const colors = picocolors.createColors(false);
  const never = () => Promise.reject(new Error('this command needs no server and no database'));
  const code = await run(['node', 'purser', 'prices', ...args], '0', {
    terminal: {
      colors,
      errorColors: colors,
      line: (text = '') => {
        written.out += `${text}\n`;
      },
      text: (text) => {
        written.out += text;
      },
      errorLine: (text = '') => {
        written.errors += `${text}\n`;
      },
      progress: () => undefined,
    },
    start: never,
    withApi: never,
    withDatabase: never,
    openApiDocument: never,
  });
  return { code, ...written };
}

function fileOf(text: string): string {
  const file = join(folder, 'prices.yaml');
  writeFileSync(file, text);
  return file;
}

test('prices check shows each route with its price', async () => {
  const { code, out } = await prices('check', join(ROOT, 'examples/you-prices.yaml'));
  expect(code).toBe(0);
  expect(out).toBe(`The price book is sound: 7 routes, 2 upstreams.
  GET,POST /v1/search          0.5 cents a call + 0.1 cents per pages of the answer
  POST /v1/contents            0.1 cents per pages of the answer
  POST /v1/answer              0.5 cents a call
  POST /v1/research            cents by research_effort: lite 1.2, standard (default) 5, deep 10, exhaustive 45, frontier 120
  GET /v1/research/:id         free
  GET /v1/research/:id/stream  free
  POST /v1/finance_research    cents by research_effort: deep 11, exhaustive 50
`);
});

test('prices check shows a price by a member of the request, with its default', async () => {
  const text = textWith(`      - per: tokens
        units: 1000
        cents: {by: model, prices: {small: "1", large: "2.5"}, default: "3"}
        count: answer.tokens
        at_most: 5
`);
  const { out } = await prices('check', fileOf(text));
  expect(out).toContain(
    'cents per 1000 tokens of the answer by model: small 1, large 2.5, any other 3\n',
  );
});

test('prices check --json says the same to programs', async () => {
  const { code, out } = await prices('check', fileOf(SOUND), '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    problems: [],
    warnings: [],
    upstreams: ['you'],
    routes: [
      {
        name: 'search',
        methods: ['GET'],
        path: '/v1/search',
        scope: 'search',
        upstream: 'you',
        price: '0.5 cents a call',
      },
    ],
  });
});

test('prices check tells every problem with its place, and ends with 1', async () => {
  const file = fileOf(SOUND.replace('"0.5"', '0.5').replace('upstream: you', 'upstream: yuo'));
  const { code, out } = await prices('check', file);
  expect(code).toBe(1);
  expect(out).toContain(`${file}:10:19  routes.search.price[0].per_call is a number`);
  expect(out).toContain('    put it in quotes: "0.5"\n');
  const asJson = await prices('check', file, '--json');
  expect(asJson.code).toBe(1);
  expect(JSON.parse(asJson.out).problems[0]).toEqual({
    line: 10,
    column: 19,
    message: 'routes.search.price[0].per_call is a number, and cents are never numbers',
    cure: 'put it in quotes: "0.5"',
  });
});

test('prices check warns of routes that an upstream may take for one another, and ends with 0', async () => {
  const file = fileOf(`${SOUND}  other:
    {methods: [GET], path: /v1/*, scope: other, upstream: you, price: []}
`);
  const { code, out } = await prices('check', file);
  expect(code).toBe(0);
  expect(out).toContain('The price book is sound: 2 routes');
  expect(out).toContain(`Warnings:\n${file}:12:28  routes.other.path: many`);
  const asJson = JSON.parse((await prices('check', file, '--json')).out);
  expect(asJson.problems).toEqual([]);
  expect(asJson.warnings).toHaveLength(1);
  expect(asJson.warnings[0]).toEqual({
    line: 12,
    column: 28,
    message:
      'routes.other.path: many upstreams take GET /v1/search/ for a call of the route search',
    cure: expect.stringContaining('one price'),
  });
});

test('prices check names a file that cannot be read', async () => {
  const { code, errors } = await prices('check', join(folder, 'none.yaml'));
  expect(code).toBe(1);
  expect(errors).toMatch(/Error: .*none\.yaml cannot be read\.\nDetails: ENOENT.*\nTo solve it: /);
});

test('prices schema prints the committed JSON Schema', async () => {
  const { code, out } = await prices('schema');
  expect(code).toBe(0);
  expect(out).toBe(readFileSync(join(ROOT, 'docs/price-book.schema.json'), 'utf8'));
});
