import { dirname, join, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Source, sourcesIn } from './sources.ts';

const server = sourcesIn('server/src');
const tests = sourcesIn('server/test').filter(({ path }) => !path.endsWith('tidy.test.ts'));
const all = [...server, ...tests, ...sourcesIn('bench/src')];

/** The matches of a pattern, each as `path:line`. */
function places(sources: readonly Source[], pattern: RegExp): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  );
}

/**
 * The rooms of `server/src/`, each with the other rooms that it may import. A room is a folder, or
 * a file at the top. A file belongs to the room with the longest name that begins its path.
 * ARCHITECTURE.md shows the same table.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  main: ['start', 'app', 'cli/command', 'http', 'cli', 'config', 'log'],
  start: ['cli', 'cli/command', 'app', 'log', 'log-pace', 'config', 'operator-error'],
  cli: ['cli/objects', 'cli/command'],
  'cli/objects': [
    'ledger/proof',
    'cli/command',
    'gateway/routes',
    'pricing',
    'pricing/book',
    'ledger/operations',
    'operator-error',
  ],
  'ledger/proof': [
    'ledger/history',
    'ledger/accounts',
    'ledger/rules',
    'ledger/operations',
    'db/connection',
  ],
  'cli/command': [
    'http/input',
    'http/errors',
    'ledger/history',
    'ledger/accounts',
    'ledger/operations',
    'auth',
    'db',
    'config',
    'operator-error',
  ],
  app: [
    'telemetry',
    'http',
    'http/door',
    'gateway',
    'gateway/routes',
    'ledger',
    'auth',
    'db',
    'db/connection',
    'config',
    'log',
    'parts',
  ],
  telemetry: ['gateway', 'ledger/lane'],
  log: [],
  http: [
    'http/operator',
    'http/customer',
    'http/gateway',
    'http/machines',
    'http/resources',
    'http/door',
    'http/openapi',
    'http/input',
    'http/errors',
    'auth',
  ],
  'http/operator': [
    'http/history',
    'http/resources',
    'http/outcomes',
    'http/door',
    'http/openapi',
    'http/input',
    'http/errors',
    'ledger/history',
    'ledger/accounts',
    'ledger/lane',
    'ledger/rules',
    'ledger/operations',
    'auth',
    'db/connection',
  ],
  'http/customer': [
    'http/history',
    'http/resources',
    'http/outcomes',
    'http/door',
    'http/openapi',
    'http/input',
    'http/errors',
    'gateway',
    'ledger/history',
    'ledger/accounts',
    'ledger/operations',
    'pricing',
  ],
  'http/gateway': [
    'http/outcomes',
    'http/door',
    'http/input',
    'http/errors',
    'gateway',
    'gateway/call',
    'gateway/idempotency',
    'gateway/payment',
    'gateway/request',
    'gateway/routes',
    'gateway/upstream',
    'ledger/operations',
    'pricing',
    'auth',
  ],
  'http/machines': ['http/door', 'http/errors'],
  'http/history': [
    'http/resources',
    'http/outcomes',
    'http/door',
    'http/openapi',
    'http/input',
    'http/errors',
    'ledger/history',
    'ledger/accounts',
    'ledger/operations',
  ],
  'http/resources': ['http/door', 'http/input', 'ledger/history', 'ledger/operations'],
  'http/outcomes': ['http/door', 'http/input', 'http/errors', 'ledger/operations', 'auth'],
  'http/door': [
    'http/openapi',
    'http/errors',
    'gateway',
    'gateway/routes',
    'ledger',
    'ledger/operations',
    'pricing/book',
    'auth',
    'db/connection',
    'log-pace',
  ],
  'http/openapi': ['http/input', 'http/errors'],
  'http/input': [
    'schema',
    'http/errors',
    'pricing/book',
    'ledger/history',
    'ledger/accounts',
    'ledger/operations',
    'auth',
    'db',
    'db/connection',
  ],
  'http/errors': ['ledger/lane', 'pricing/book', 'auth', 'db/connection', 'log-pace'],
  gateway: [
    'log-pace',
    'gateway/call',
    'gateway/idempotency',
    'gateway/payment',
    'ledger',
    'gateway/routes',
    'gateway/upstream',
    'gateway/endings',
    'pricing',
    'auth',
    'ledger/lane',
    'ledger/operations',
    'db/connection',
  ],
  'log-pace': [],
  'gateway/call': [
    'gateway/idempotency',
    'gateway/payment',
    'gateway/routes',
    'gateway/upstream',
    'gateway/endings',
    'gateway/request',
    'pricing',
    'pricing/book',
    'auth',
    'ledger/operations',
  ],
  'gateway/idempotency': [
    'gateway/payment',
    'gateway/request',
    'ledger/operations',
    'db/connection',
  ],
  'gateway/payment': ['ledger', 'gateway/routes', 'pricing', 'auth', 'ledger/operations'],
  ledger: ['ledger/history', 'ledger/lane', 'ledger/operations', 'db/connection'],
  'ledger/history': ['ledger/accounts', 'ledger/lane', 'ledger/operations', 'db', 'db/connection'],
  'gateway/routes': [
    'gateway/upstream',
    'pricing',
    'pricing/book',
    'db/connection',
    'operator-error',
  ],
  'gateway/upstream': [
    'gateway/request',
    'pricing',
    'pricing/counting',
    'pricing/book',
    'operator-error',
  ],
  'gateway/endings': [
    'gateway/request',
    'pricing/book',
    'ledger/operations',
    'db',
    'db/connection',
  ],
  'gateway/request': ['pricing', 'pricing/book'],
  pricing: ['schema', 'pricing/counting', 'pricing/book', 'ledger/operations'],
  'pricing/counting': ['schema', 'pricing/book', 'ledger/operations'],
  'pricing/book': ['schema', 'ledger/operations'],
  schema: [],
  config: ['operator-error'],
  auth: ['ledger/accounts', 'ledger/lane', 'ledger/operations', 'db', 'db/connection'],
  'ledger/accounts': ['ledger/lane', 'ledger/rules', 'ledger/operations', 'db', 'db/connection'],
  'ledger/lane': ['ledger/rules', 'ledger/operations', 'db/connection'],
  'ledger/rules': ['ledger/operations'],
  'ledger/operations': [],
  db: ['db/embedded', 'db/connection', 'operator-error'],
  'db/embedded': ['operator-error'],
  'db/connection': ['operator-error'],
  parts: [],
  'operator-error': [],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every import between the project's files, also of types, as paths below `server/src/`. */
function importsIn(sources: readonly Source[]): Import[] {
  return sources.flatMap(({ path, text }) =>
    [...text.matchAll(/(?:from|import\(|import)\s*'(\.[^']+)'/g)].map(([, target = '']) => ({
      from: path.replace('server/src/', ''),
      to: join(dirname(path), target).split(sep).join('/').replace('server/src/', ''),
    })),
  );
}

/** The room of a file; undefined: the table has none. */
function roomOf(path: string): string | undefined {
  const name = path.replace(/\.ts$/, '');
  return Object.keys(ROOMS)
    .filter((room) => name === room || name.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** The imports that the table does not allow. */
function forbidden(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)];
      if (here === undefined || there === undefined) return true;
      return here !== there && !ROOMS[here]?.includes(there);
    })
    .map(({ from, to }) => `${from} imports ${to}`);
}

/** The cycles in a graph, each once, as the names along it. */
function cyclesIn(edges: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of edges) targets.set(from, [...(targets.get(from) ?? []), to]);
  const [done, path, cycles] = [new Set<string>(), [] as string[], [] as string[]];
  const visit = (name: string) => {
    if (path.includes(name)) cycles.push([...path.slice(path.indexOf(name)), name].join(' → '));
    if (path.includes(name) || done.has(name)) return;
    path.push(name);
    for (const target of targets.get(name) ?? []) visit(target);
    path.pop();
    done.add(name);
  };
  for (const name of targets.keys()) visit(name);
  return cycles;
}

describe('the code', () => {
  test('has files to look at', () => {
    expect(server.length).toBeGreaterThan(40);
    expect(tests.length).toBeGreaterThan(5);
  });

  test('imports only what the table of rooms allows', () => {
    expect(forbidden(importsIn(server))).toEqual([]);
  });

  test('uses every arrow of the table, and the table has no cycle', () => {
    const arrows = Object.entries(ROOMS).flatMap(([from, targets]) =>
      targets.map((to) => ({ from, to })),
    );
    const used = new Set(importsIn(server).map(({ from, to }) => `${roomOf(from)} ${roomOf(to)}`));
    expect(arrows.filter(({ from, to }) => !used.has(`${from} ${to}`))).toEqual([]);
    expect(cyclesIn(arrows)).toEqual([]);
  });

  test('has no cycle of imports, types included', () => {
    expect(cyclesIn(importsIn(server))).toEqual([]);
  });

  test('would notice a forbidden import and a cycle of types', () => {
    const text = (target: string) => `import type { Thing } from '${target}';`;
    const upward = [{ path: 'server/src/db/open.ts', text: text('../ledger/ledger.ts') }];
    expect(forbidden(importsIn(upward))).toEqual(['db/open.ts imports ledger/ledger.ts']);
    const circle = [
      { path: 'server/src/db/one.ts', text: text('./two.ts') },
      { path: 'server/src/db/two.ts', text: text('./one.ts') },
    ];
    expect(cyclesIn(importsIn(circle))).toEqual(['db/one.ts → db/two.ts → db/one.ts']);
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
    // The reference model says all rules of the ledger in one file, to be read beside its README.
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
