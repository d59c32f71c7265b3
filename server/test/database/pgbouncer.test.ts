import { afterEach, expect, test } from 'vitest';
import type { Statement } from '../../src/db/connection/database.ts';
import { SERVING } from '../../src/db/embedded/cluster.ts';
import { type OpenDatabase, openDatabase } from '../../src/db/open.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { type PgBouncer, startPgBouncer } from './pgbouncer.ts';
import { usePlaces } from './places.ts';
import { chargeOf, grantOf, newAccount, newLedger, tally, wanted } from './rig.ts';

/** Purser behind a real PgBouncer: session mode works, other modes are refused at the start. */

const db = useDatabase();
const places = usePlaces();
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

async function bouncer(...lines: string[]): Promise<PgBouncer> {
  const started = await startPgBouncer(db.config, [SERVING], lines);
  cleanUp.push(started.stop);
  return started;
}

async function open(databaseUrl: string): Promise<OpenDatabase> {
  const { signal } = new AbortController();
  const log = { info: () => {}, warn: () => {} };
  const opened = await openDatabase({ databaseUrl, dataDir: '', as: 'server', log, signal });
  cleanUp.push(opened.close);
  return opened;
}

const SETTINGS: Statement = {
  name: 'settings',
  text: `select current_setting('TimeZone') as zone, current_setting('lock_timeout') as lock_timeout,
                current_setting('synchronous_commit') as commits`,
};

test.each([
  ['as it comes', []],
  ['that ignores startup options', ['ignore_startup_parameters = options,extra_float_digits']],
])('in session mode, PgBouncer %s works', async (_, lines) => {
  const name = db.config.database ?? '';
  await places.run(places.config(name), `alter database ${name} set TimeZone = 'America/New_York'`);
  const { url } = await bouncer('pool_mode = session', ...lines);
  const opened = await open(url(SERVING));
  const { database } = opened;
  expect(await database.rows(SETTINGS)).toEqual([
    { zone: 'UTC', lock_timeout: '4s', commits: 'on' },
  ]);
  const { ledger } = newLedger(database);
  cleanUp.push(() => ledger.stop());
  const account = await newAccount(database);
  const expiresAt = Date.now() + 60_000;
  const terms = { category: 'paid', priority: 50, effectiveAt: null, appliesTo: null } as const;
  const granted = await ledger.submit(
    grantOf(account, 1_000n, { terms: { ...terms, expiresAt } }),
    wanted,
  );
  expect(granted).toMatchObject({ kind: 'recorded', receipt: { expiresAt } });
  const before = Date.now();
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, () => ledger.submit(chargeOf(account), wanted)),
  );
  expect(tally(outcomes)).toEqual({ recorded: 100 });
  for (const outcome of outcomes) {
    if (outcome.kind !== 'recorded') continue;
    // PostgreSQL and the test share a clock: an hour between them would be a wrong time zone.
    expect(Math.abs(outcome.receipt.at - before)).toBeLessThan(1_800_000);
  }
  expect(await verify(database)).toMatchObject({ problem: null });
  expect(await opened.isReady()).toEqual({ database: true, migrations: true });
});

test.each([
  ['transaction', []],
  ['transaction', ['ignore_startup_parameters = options']],
  ['transaction', ['server_round_robin = 1', 'min_pool_size = 3']],
  ['transaction', ['default_pool_size = 1']],
  ['statement', []],
])('in %s mode with %j, a start is refused in three parts', async (mode, lines) => {
  const { url } = await bouncer(`pool_mode = ${mode}`, ...lines);
  await expect(open(url(SERVING))).rejects.toMatchObject({
    name: 'OperatorError',
    message: expect.stringMatching(/hands sessions around|do not stay/),
    details: expect.any(String),
    solution: expect.stringContaining('pool_mode = session'),
  });
});

test('with room for one session, a start is refused with the number it needs', async () => {
  const { url } = await bouncer('pool_mode = session', 'default_pool_size = 1');
  await expect(open(url(SERVING))).rejects.toMatchObject({
    name: 'OperatorError',
    message: 'The connection pool in front of PostgreSQL gave no second session.',
    solution: expect.stringContaining('default_pool_size'),
  });
});
