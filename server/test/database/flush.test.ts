import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Statement } from '../../src/db/database.ts';
import type { Command, CommandResult } from '../../src/db/flush.ts';
import { Pipeline } from '../../src/db/pipeline.ts';
import { typeParsers } from '../../src/db/types.ts';
import { useDatabase } from '../postgres.ts';

const db = useDatabase();
let pipeline: Pipeline;

const connect = () => Pipeline.connect({ config: { ...db.config, types: typeParsers } });

beforeAll(async () => {
  pipeline = await connect();
  await db.query('create table flushed (n int primary key, text text)');
});

afterAll(() => pipeline.close());

let names = 0;
/** A statement that no connection has run. */
const statementOf = (text: string): Statement => {
  names += 1;
  return { name: `flush_${names}`, text };
};

const ECHO = statementOf('select $1::text as text, $2::text[] as texts, $3::bigint[] as numbers');
const FAILS = statementOf('select 1 / $1::int as n');
const ONE = statementOf('select 1 as n');
const BEGIN = statementOf('begin');
const ROLLBACK = statementOf('rollback');

/** The rows or the SQLSTATE of each result. */
const told = (results: readonly CommandResult[]) =>
  results.map((result) => (result.ok ? result.rows : result.error.code));

describe('a flush', () => {
  test.each([
    [''],
    ['NULL'],
    ['null'],
    ['a,b {c} "d" \\e \\\\ \'f\''],
    [' spaces '],
    ['line\nline\r\ttab'],
    ['\\x00ff'],
    ['é 💰 \u2028'],
    ['x'.repeat(200_000)],
  ])('gives texts back as they were sent, by themselves and in lists: %j', async (text) => {
    const numbers = [0n, -1n, 9_223_372_036_854_775_807n];
    const [echo] = await pipeline.flush([[ECHO, [text, [text, null, text], numbers]]]);
    expect(told(echo ? [echo] : [])).toEqual([[{ text, texts: [text, null, text], numbers }]]);
  });

  test('gives nothing and empty lists back', async () => {
    const results = await pipeline.flush([[ECHO, [null, [], []]]]);
    expect(told(results)).toEqual([[{ text: null, texts: [], numbers: [] }]]);
  });

  test.each([0, 1, 2])(
    'ends at the command that fails, number %d: what follows does not run and fails with it',
    async (failing) => {
      const insert = statementOf(`insert into flushed values ($1, 'x') returning n`);
      const commands: Command[] = [
        [insert, [10 + failing]],
        [insert, [20 + failing]],
        [insert, [30 + failing]],
      ];
      commands[failing] = [FAILS, [0]];
      const before = commands.slice(0, failing).map(([, values]) => [{ n: values?.[0] }]);
      const results = await pipeline.flush([[BEGIN], ...commands]);
      const failed = commands.slice(failing).map(() => '22012');
      expect(told(results)).toEqual([[], ...before, ...failed]);
      // Only now: what belongs to a failed transaction is still open.
      expect(told(await pipeline.flush([[ONE]]))).toEqual(['25P02']);
      expect(told(await pipeline.flush([[ROLLBACK], [ONE]]))).toEqual([[], [{ n: 1 }]]);
      expect(await db.query('select from flushed')).toEqual([]);
    },
  );

  test('runs a statement that failed in its first run, and one that was skipped', async () => {
    const failing = statementOf('select 1 / $1::int as n');
    const skipped = statementOf('select $1::int as m');
    const unknown = statementOf('select * from later');
    expect(
      told(
        await pipeline.flush([
          [failing, [0]],
          [skipped, [1]],
        ]),
      ),
    ).toEqual(['22012', '22012']);
    expect(
      told(
        await pipeline.flush([
          [failing, [1]],
          [skipped, [2]],
        ]),
      ),
    ).toEqual([[{ n: 1 }], [{ m: 2 }]]);
    expect(told(await pipeline.flush([[unknown]]))).toEqual(['42P01']);
    await db.query('create table later (l int)');
    expect(told(await pipeline.flush([[unknown], [ONE]]))).toEqual([[], [{ n: 1 }]]);
  });

  test('runs a statement again whose columns have changed, after it has failed once', async () => {
    const all = statementOf('select * from changing');
    await db.query('create table changing (a int)');
    await db.query('insert into changing values (1)');
    expect(told(await pipeline.flush([[all]]))).toEqual([[{ a: 1 }]]);
    await db.query('alter table changing add column b int default 2');
    expect(told(await pipeline.flush([[all]]))).toEqual(['0A000']);
    expect(told(await pipeline.flush([[all]]))).toEqual([[{ a: 1, b: 2 }]]);
  });

  test('runs one statement as often as it stands in it, also for the first time', async () => {
    const twice = statementOf('select $1::int as n');
    const results = await pipeline.flush([
      [twice, [1]],
      [twice, [2]],
      [twice, [3]],
    ]);
    expect(told(results)).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
  });

  test('has its own answers, however many are under way', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        pipeline.flush(n % 3 === 0 ? [[FAILS, [0]], [ONE]] : [[ECHO, [`${n}`, [], []]], [ONE]]),
      ),
    );
    expect(answers.map(told)).toEqual(
      Array.from({ length: 20 }, (_, n) =>
        n % 3 === 0 ? ['22012', '22012'] : [[{ text: `${n}`, texts: [], numbers: [] }], [{ n: 1 }]],
      ),
    );
  });

  test('reads many columns of a row, and rows of many statements', async () => {
    const columns = Array.from({ length: 40 }, (_, n) => `${n} as c${n}`).join();
    const wide = statementOf(`select ${columns} from generate_series(1, 3)`);
    const row = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`c${n}`, n]));
    const results = await pipeline.flush([[wide], [wide]]);
    expect(told(results)).toEqual([
      [row, row, row],
      [row, row, row],
    ]);
  });

  test('sees what was committed while it waited for a lock', async () => {
    await db.query(`insert into flushed values (99, 'before')`);
    const lock = statementOf('select n from flushed where n = 99 for update');
    const read = statementOf('select text from flushed where n = 99');
    const update = statementOf(`update flushed set text = 'after' where n = 99`);
    const other = await connect();
    await other.flush([[BEGIN], [update]]);
    const waiting = pipeline.flush([[BEGIN], [lock], [read], [ROLLBACK]]);
    await expect
      .poll(() => db.query(`select from pg_stat_activity where wait_event_type = 'Lock'`))
      .toHaveLength(1);
    await other.flush([[statementOf('commit')]]);
    expect(told(await waiting)).toEqual([[], [{ n: 99 }], [{ text: 'after' }], []]);
    other.close();
  });

  test('on a connection that is ended fails in every command, and says that it is lost', async () => {
    const ending = await connect();
    const [pid] = await ending.flush([[statementOf('select pg_backend_pid() as pid')]]);
    const sleeping = ending.flush([[ONE], [statementOf('select pg_sleep(60)')], [ONE]]);
    await db.query(`select pg_terminate_backend(${pid?.ok ? pid.rows[0]?.['pid'] : 0})`);
    expect((await sleeping).slice(1).map(({ ok }) => ok)).toEqual([false, false]);
    await expect.poll(() => ending.lost).toBe(true);
    expect((await ending.flush([[ONE], [ONE]])).map(({ ok }) => ok)).toEqual([false, false]);
  });
});
