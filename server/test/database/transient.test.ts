import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { KeyReads } from '../../src/auth/key-reads.ts';
import { DatabaseUnavailable, type Statement } from '../../src/db/connection/database.ts';
import { faultOf, isRolledBack } from '../../src/db/connection/sqlstate.ts';
import { Readiness } from '../../src/db/readiness.ts';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import { readBalance } from '../../src/ledger/lane/unlocked-read.ts';
import { useDatabase } from '../postgres.ts';
import { Counts, chargeOf, grantOf, newAccount, newLedger, tally, wanted } from './rig.ts';

/**
 * Transient states of PostgreSQL: none is final for an operation, and none is an internal error.
 */

const db = useDatabase();
let rig: ReturnType<typeof newLedger>;
let account: Account;

beforeAll(async () => {
  rig = newLedger(db.database);
  account = await newAccount(db.database);
  await rig.ledger.submit(grantOf(account, 1_000_000n), wanted);
});
afterAll(() => rig.ledger.stop());

const charges = (count: number, change = {}) =>
  Promise.all(
    Array.from({ length: count }, () => rig.ledger.submit(chargeOf(account, change), wanted)),
  );
const posted = async () => (await readBalance(db.database, account.publicId))?.posted ?? 0n;

test.each([
  ['22P02', 'statement'],
  ['23505', 'statement'],
  ['42703', 'statement'],
  ['54000', 'statement'],
  ['40001', 'conflict'],
  ['40P01', 'conflict'],
  ['55P03', 'wait'],
  ['57014', 'wait'],
  ['08006', 'connection'],
  ['08P01', 'connection'],
  ['0A000', 'connection'],
  ['25006', 'connection'],
  ['26000', 'connection'],
  ['42501', 'connection'],
  ['53100', 'connection'],
  ['55006', 'connection'],
  ['57P01', 'connection'],
  ['58030', 'connection'],
  ['XX000', 'connection'],
  ['ZZ999', 'connection'],
  ['EPIPE', 'connection'],
  [undefined, 'connection'],
])('an error with the code %s is a fault of the %s', (code, fault) => {
  expect(faultOf(Object.assign(new Error('it'), { code }))).toBe(fault);
});

test.each([['57P01'], ['08006'], ['25P03'], ['25P04'], ['XX000'], ['EPIPE'], [undefined]])(
  'an error with the code %s does not say that nothing was done',
  (code) => {
    expect(isRolledBack(Object.assign(new Error('it'), { code }))).toBe(false);
    expect(isRolledBack(Object.assign(new Error('it'), { code: '25006' }))).toBe(true);
  },
);

describe('a migration that changes the columns of a prepared statement', () => {
  const FIND: Statement = { name: 'find', text: 'select name from accounts' };
  const widths = [250, 251, 252, 253];
  const migrate = () =>
    db.query(`alter table accounts alter column name type varchar(${widths.shift()})`);

  test('is not noticed by statements of the pool, on any of its connections', async () => {
    const all = () => Promise.all(Array.from({ length: 16 }, () => db.database.rows(FIND)));
    await all();
    await migrate();
    expect(new Set((await all()).map((rows) => rows.length))).toEqual(new Set([1]));
  });

  test('is not noticed by transactions, which run again', async () => {
    let runs = 0;
    const work = () =>
      db.database.transaction(async (tx) => {
        runs += 1;
        return tx.rows(FIND);
      });
    await Promise.all(Array.from({ length: 8 }, work));
    await migrate();
    runs = 0;
    expect(await work()).toHaveLength(1);
    expect(runs).toBe(2);
  });

  test('fails a transaction that cannot run twice as one that may be tried again', async () => {
    const work = () => db.database.transaction((tx) => tx.rows(FIND), { once: true });
    await work();
    await migrate();
    await expect(work()).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(await work()).toHaveLength(1);
  });

  test('is not noticed by the lane: its batch runs again on a new connection', async () => {
    await charges(1);
    await db.query('alter table accounts alter column public_id type varchar(64)');
    expect(tally(await charges(20))).toEqual({ recorded: 20 });
    expect(rig.counts.by).toMatchObject({ connection_unfit: 1 });
    await db.query('alter table accounts alter column public_id type text');
    expect(tally(await charges(20))).toEqual({ recorded: 20 });
  });
});

test('rights that are missing for a moment fail reads of keys as unavailable, and they heal', async () => {
  const reads = new KeyReads(db.database, { observer: new Counts() });
  const ask = () => reads.operatorKey('0'.repeat(64));
  expect(await ask()).toBeUndefined();
  await db.query('revoke select on operator_keys from purser_serving');
  await expect(ask()).rejects.toMatchObject({
    name: 'DatabaseUnavailable',
    cause: { code: '42501' },
  });
  await db.query('grant select on operator_keys to purser_serving');
  expect(await ask()).toBeUndefined();
  reads.stop();
});

describe('a database that is read-only for a moment', () => {
  const switchOn = async () => {
    await db.query(`alter database ${db.config.database} set default_transaction_read_only = on`);
    // An open session keeps its old setting.
    await db.query(
      `select pg_terminate_backend(pid, 10000) from pg_stat_activity
       where datname = current_database() and application_name like 'purser%'`,
    );
  };
  const admin = (text: string) => db.query(`set default_transaction_read_only = off; ${text}`);
  afterEach(async () => {
    await admin(`alter database ${db.config.database} reset default_transaction_read_only`);
  });

  test('answers database_unavailable, makes the node unready, and heals by itself', async () => {
    const before = await posted();
    const readiness = new Readiness(() => db.database.pipeline('purser readiness', {}, 1_000));
    expect(await readiness.check()).toMatchObject({ database: true });
    await switchOn();
    expect(tally(await charges(20))).toEqual({ database_unavailable: 20 });
    await expect(db.database.rows({ name: 'one', text: 'select 1' })).rejects.toMatchObject({
      name: 'DatabaseUnavailable',
      cause: { name: 'OperatorError', message: 'The PostgreSQL takes no writes.' },
    });
    await expect
      .poll(() => readiness.check(), { timeout: 5_000 })
      .toEqual({ database: false, migrations: false });
    await admin(`alter database ${db.config.database} reset default_transaction_read_only`);
    expect(tally(await charges(20))).toEqual({ recorded: 20 });
    expect(await posted()).toBe(before - 20n);
    await expect
      .poll(() => readiness.check(), { timeout: 5_000 })
      .toMatchObject({ database: true });
    await readiness.stop();
  });
});

describe('a batch with an operation that cannot be written', () => {
  test('fails that operation alone, whatever the error is', async () => {
    // One description raises a bug of Purser's (SQLSTATE class 42), the other a PostgreSQL limit
    // (54).
    await db.query(`
      create function refuse() returns trigger language plpgsql as $$
      begin
        if new.description in ('42P01', '54000') then
          raise exception 'refused' using errcode = new.description;
        end if;
        return new;
      end $$;
      create trigger refuse before insert on operations for each row execute function refuse()`);
    for (const description of ['42P01', '54000']) {
      const before = await posted();
      const all = await Promise.all([charges(400), charges(1, { description }), charges(400)]);
      expect(tally(all.flat())).toEqual({ recorded: 800, internal_error: 1 });
      expect(await posted()).toBe(before - 800n);
    }
    await db.query('drop trigger refuse on operations');
  });
});

describe('a batch that fails for an unknown reason', () => {
  test.each(['XX000', '53100', '58030', '55000', '42501', '0L000'])(
    '(%s) answers database_unavailable to all, and nothing is charged',
    async (errcode) => {
      await db.query(`
        create or replace function fail() returns trigger language plpgsql as $$
        begin raise exception 'out of order' using errcode = '${errcode}'; end $$;
        create or replace trigger fail before insert on operations
          for each row execute function fail()`);
      const before = await posted();
      expect(tally(await charges(100))).toSatisfy(
        (counts: Record<string, number>) =>
          (counts['database_unavailable'] ?? 0) + (counts['outcome_unknown'] ?? 0) === 100,
      );
      await db.query('drop trigger fail on operations');
      expect(await posted()).toBe(before);
      expect(tally(await charges(10))).toEqual({ recorded: 10 });
    },
  );

  test('and works on the second connection is recorded', async () => {
    await db.query(`
      create sequence failures;
      grant usage on failures to public;
      create or replace function fail() returns trigger language plpgsql as $$
      begin
        if nextval('failures') = 1 then raise exception 'a moment' using errcode = '58030'; end if;
        return new;
      end $$;
      create trigger fail before insert on operations for each row execute function fail()`);
    const before = await posted();
    expect(tally(await charges(50))).toEqual({ recorded: 50 });
    expect(await posted()).toBe(before - 50n);
    await db.query('drop trigger fail on operations');
  });
});

test('a deadlock of transactions of the pool is run again', async () => {
  let runs = 0;
  const work = db.database.transaction(async (tx) => {
    runs += 1;
    if (runs === 1) {
      await tx.rows({
        name: 'deadlock',
        text: `do $$ begin raise exception 'a deadlock' using errcode = '40P01'; end $$`,
      });
    }
    return runs;
  });
  expect(await work).toBe(2);
});
