import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Statement } from '../../src/db/connection/database.ts';
import type { CommandResult } from '../../src/db/connection/flush.ts';
import { Pipeline } from '../../src/db/connection/pipeline.ts';
import { typeParsers } from '../../src/db/connection/types.ts';
import { useDatabase } from '../postgres.ts';

/**
 * The promises of a flush (db/connection/flush.ts) on which the lane and the batched reads rely.
 */

const db = useDatabase();
let pipeline: Pipeline;

const connect = () =>
  Pipeline.connect({ config: { ...db.config, types: typeParsers }, settings: {}, role: null });

beforeAll(async () => {
  pipeline = await connect();
  await db.query('create table numbers (n int primary key deferrable initially deferred)');
});
afterEach(async () => {
  await pipeline.flush([[ROLLBACK]]);
});
afterAll(() => pipeline.close());

function statement(name: string, text: string): Statement {
  return { name, text };
}
const BEGIN = statement('begin', 'begin');
const COMMIT = statement('commit', 'commit');
const ROLLBACK = statement('rollback', 'rollback');
const DIVIDE = statement('divide', 'select 100 / $1::int as n');
const INSERT = statement('insert_number', 'insert into numbers values ($1)');

/** Each result in short: the rows, the tag if there are none, or the SQLSTATE of a failure. */
function inShort(results: readonly CommandResult[]) {
  return results.map((result) => {
    if (!result.ok) return result.error.code ?? result.error.message;
    return result.rows.length > 0 ? result.rows : result.tag;
  });
}

test('a command that fails ends its flush: those before it are answered, those after it do not run', async () => {
  const failed = await pipeline.flush([[BEGIN], [INSERT, [1]], [DIVIDE, [0]], [COMMIT]]);
  expect(inShort(failed)).toEqual(['BEGIN', 'INSERT', '22012', '22012']);
  const next = await pipeline.flush([[ROLLBACK], [DIVIDE, [5]]]);
  expect(inShort(next)).toEqual(['ROLLBACK', [{ n: 20 }]]);
  expect(await db.query('select * from numbers')).toEqual([]);
});

test('a failure at the commit is the commit’s own', async () => {
  const failed = await pipeline.flush([[BEGIN], [INSERT, [2]], [INSERT, [2]], [COMMIT]]);
  expect(inShort(failed)).toEqual(['BEGIN', 'INSERT', 'INSERT', '23505']);
  expect(inShort(await pipeline.flush([[DIVIDE, [4]]]))).toEqual([[{ n: 25 }]]);
});

test('a statement can be used again after an error in its first run, whether it was parsed or not', async () => {
  const early = statement('early', 'select n as early from later where n = $1');
  expect(inShort(await pipeline.flush([[early, [7]]]))).toEqual(['42P01']);
  await db.query('create table later as select 7 as n');
  const first = statement('first_run', 'select 100 / $1::int as n');
  expect(inShort(await pipeline.flush([[first, [0]]]))).toEqual(['22012']);
  const again = await pipeline.flush([
    [early, [7]],
    [first, [10]],
    [early, [8]],
    [first, [20]],
  ]);
  expect(inShort(again)).toEqual([[{ early: 7 }], [{ n: 10 }], 'SELECT', [{ n: 5 }]]);
});

test('a statement goes on after the columns of its table have changed', async () => {
  await db.query('create table wide as select 1 as a');
  const all = statement('all', 'select * from wide');
  expect(inShort(await pipeline.flush([[all]]))).toEqual([[{ a: 1 }]]);
  await db.query(`alter table wide add b text default 'x'`);
  expect(inShort(await pipeline.flush([[all]]))).toEqual(['0A000']);
  expect(inShort(await pipeline.flush([[all], [all]]))).toEqual([
    [{ a: 1, b: 'x' }],
    [{ a: 1, b: 'x' }],
  ]);
});

test('two flushes at once get their own answers, also if the first fails', async () => {
  const fresh = statement('fresh', 'select 100 / $1::int as n');
  for (const divisors of [[2], [0], [4], [0]] as const) {
    const answers = await Promise.all([
      pipeline.flush([[fresh, divisors]]),
      pipeline.flush([
        [fresh, [5]],
        [fresh, [10]],
      ]),
    ]);
    const own = divisors[0] === 0 ? '22012' : [{ n: 100 / divisors[0] }];
    expect(answers.map(inShort)).toEqual([[own], [[{ n: 20 }], [{ n: 10 }]]]);
  }
});

test('many flushes at once get their own answers', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      pipeline.flush(
        n % 3 === 0
          ? [
              [DIVIDE, [0]],
              [DIVIDE, [1]],
            ]
          : [
              [DIVIDE, [n]],
              [DIVIDE, [1]],
            ],
      ),
    ),
  );
  expect(answers.map(inShort)).toEqual(
    Array.from({ length: 20 }, (_, n) =>
      n % 3 === 0 ? ['22012', '22012'] : [[{ n: Math.floor(100 / n) }], [{ n: 100 }]],
    ),
  );
});

test('rows may have many columns', async () => {
  const columns = Array.from({ length: 40 }, (_, n) => `${n} as c${n}`).join();
  const wide = statement('forty', `select ${columns} from generate_series(1, 3)`);
  const row = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`c${n}`, n]));
  const results = await pipeline.flush([[wide], [wide]]);
  expect(inShort(results)).toEqual([
    [row, row, row],
    [row, row, row],
  ]);
});

test('texts come back exactly as they were sent, in arrays and as scalars', async () => {
  const echo = statement('echo', 'select $1::text[] as items, $2::text as scalar');
  const texts = [
    '',
    ' ',
    ' a ',
    'NULL',
    'null',
    'a,b',
    '{',
    '}',
    '{}',
    '"',
    '""',
    "'",
    '\\',
    '\\"',
  ];
  texts.push(
    '\\\\',
    '\\x00',
    '$1',
    'a\nb',
    '\r\n\t',
    '\u00a0',
    '\u2028',
    'é😀',
    'x"\\,'.repeat(9_999),
  );
  const items = [...texts, null];
  for (const scalar of items) {
    expect(inShort(await pipeline.flush([[echo, [items, scalar]]]))).toEqual([[{ items, scalar }]]);
  }
  const none = [{ items: [], scalar: null }];
  expect(inShort(await pipeline.flush([[echo, [[], undefined]]]))).toEqual([none]);
});

test('a row that cannot be read fails its command alone', async () => {
  const nested = statement('nested', 'select array[[1, 2]]::bigint[] as unreadable');
  const results = await pipeline.flush([[nested], [DIVIDE, [1]]]);
  expect(results).toMatchObject([{ ok: false }, { ok: true, rows: [{ n: 100 }] }]);
});

test('a statement after the lock sees everything that was committed while it waited for the lock', async () => {
  await db.query('create table guarded as select 0 as n; create table beside as select 0 as n');
  const lock = statement('lock', 'select n from guarded for update');
  const look = statement('look', 'select n from beside');
  const other = await connect();
  for (const n of [1, 2]) {
    const change = statement(`change_${n}`, `update beside set n = ${n}`);
    await other.flush([[BEGIN], [lock], [change]]);
    const waiting = pipeline.flush([[BEGIN], [look], [lock], [look], [COMMIT]]);
    await expect.poll(() => db.query(`select from pg_locks where not granted`)).toHaveLength(1);
    await other.flush([[COMMIT]]);
    const [before, after] = [[{ n: n - 1 }], [{ n }]];
    expect(inShort(await waiting)).toEqual(['BEGIN', before, [{ n: 0 }], after, 'COMMIT']);
  }
  other.close();
});

test('a lost connection fails every command without an answer, and all that come later', async () => {
  const doomed = await connect();
  const pid = statement('pid', 'select pg_backend_pid() as pid');
  const sleep = statement('sleep', 'select pg_sleep(60)');
  const [asked] = await doomed.flush([[pid]]);
  const backend = asked?.ok ? asked.rows[0]?.pid : undefined;
  const running = doomed.flush([[pid], [sleep], [pid]]);
  await expect
    .poll(() =>
      db.query(
        `select pg_terminate_backend($1) where exists
      (select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep')`,
        [backend],
      ),
    )
    .toHaveLength(1);
  expect(inShort(await running)).toEqual([[{ pid: backend }], '57P01', '57P01']);
  expect(await doomed.flush([[pid], [pid]])).toMatchObject([{ ok: false }, { ok: false }]);
  expect(doomed.lost).toBe(true);
});

test('PostgreSQL 17 and later bound a transaction whose flush never arrives in full', async () => {
  const setting = statement(
    'setting',
    `select current_setting('transaction_timeout', true) as most`,
  );
  const [row] = await db.query(`select current_setting('server_version_num')::int as version`);
  const most = row?.version >= 170_000 ? '7s' : null;
  expect(inShort(await pipeline.flush([[setting]]))).toEqual([[{ most }]]);
});
