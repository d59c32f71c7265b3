import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A TypeScript file of ours, by its path from the root. */
interface Source {
  readonly path: string;
  readonly text: string;
}

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .map((path) => ({
      path: path.split(sep).join('/'),
      text: readFileSync(join(ROOT, path), 'utf8'),
    }));
}

const server = sourcesIn('server/src');
const tests = sourcesIn('server/test').filter(({ path }) => !path.endsWith('tidy.test.ts'));
const all = [...server, ...tests, ...sourcesIn('bench/src')];

/** The places where a pattern stands, as `path:line`. */
function places(sources: readonly Source[], pattern: RegExp): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  );
}

/** Who may import whom: each only what stands to its right (ARCHITECTURE.md). */
const LAYERS = [
  'main',
  'start',
  'app',
  'cli',
  'telemetry',
  'http',
  'auth',
  'gateway',
  'pricing',
  'ledger',
  'db',
];
/** Read by those who put things together; it imports nothing but the operator's error. */
const CONFIG = 'config';

function layerOf(path: string): string {
  return path.replace('server/src/', '').split('/')[0]?.replace(/\.ts$/, '') ?? '';
}

describe('the code', () => {
  test('has files to look at', () => {
    expect(server.length).toBeGreaterThan(40);
    expect(tests.length).toBeGreaterThan(5);
  });

  test('imports only downward', () => {
    const upward = server.flatMap(({ path, text }) =>
      [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].flatMap(([, target = '']) => {
        const [from, to] = [
          layerOf(path),
          layerOf(relative(ROOT, join(ROOT, dirname(path), target))),
        ];
        if (from === to || to === CONFIG) return [];
        const ranks = [from === CONFIG ? 'http' : from, to].map((layer) => LAYERS.indexOf(layer));
        const isDownward = ranks.every((rank) => rank >= 0) && (ranks[0] ?? 0) < (ranks[1] ?? 0);
        return isDownward ? [] : [`${path} imports ${target}`];
      }),
    );
    expect(upward).toEqual([]);
  });

  test('reads the environment in one file', () => {
    const elsewhere = server.filter(({ path }) => path !== 'server/src/config.ts');
    expect(places(elsewhere, /process\.env/)).toEqual([]);
  });

  test('keeps SQL in the sql files, and PostgreSQL itself in db/', () => {
    const elsewhere = server.filter(
      ({ path }) => !/\/sql(\.ts|\/)/.test(path) && !path.startsWith('server/src/db/'),
    );
    expect(
      places(elsewhere, /['"`]\s*(select|insert into|update|delete from|set|begin|commit)\s/),
    ).toEqual([]);
  });

  test('never holds an amount in a number', () => {
    const amounts =
      /\b\w*(amount|posted|held|available|balance|required|shortfall|price|overdraft)\w*\??: (readonly )?(number|Number)\b/i;
    expect(places(server, amounts)).toEqual([]);
    expect(places(server, /parseFloat|Number\((amount|posted|held|available)/)).toEqual([]);
  });

  test('has no drawer for odds and ends', () => {
    const drawers = all.filter(({ path }) =>
      /\/(utils?|helpers?|common|services|misc)[./]/.test(path),
    );
    expect(drawers).toEqual([]);
  });

  test('keeps its files readable at a sitting', () => {
    const long = all.filter(({ text }) => text.split('\n').length > 400);
    // The reference model is read against ledger.md from its first line to its last.
    expect(long.map(({ path }) => path)).toEqual(['server/test/ledger/model.ts']);
  });

  test('leaves no test out and none alone', () => {
    expect(places(tests, /\.(skip|only|todo|fails)\b/)).toEqual([]);
  });

  test('leaves nothing for later', () => {
    expect(places(all, /\b(TODO|FIXME|XXX|HACK)\b|biome-ignore|@ts-(ignore|expect-error)/)).toEqual(
      [],
    );
  });
});
