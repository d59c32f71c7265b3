import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { KeyReads } from '../../src/auth/key-reads.ts';
import { DatabaseUnavailable, type Statement } from '../../src/db/connection/database.ts';
import { openDatabase } from '../../src/db/open.ts';
import { Readiness } from '../../src/db/readiness.ts';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import { readBalance } from '../../src/ledger/lane/unlocked-read.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { Sweeper } from '../../src/ledger/sweeper.ts';
import { useDatabase } from '../postgres.ts';
import { usePlaces } from './places.ts';
import { Counts, chargeOf, grantOf, newAccount, newLedger, tally, wanted } from './rig.ts';

/** PostgreSQL ends a backend during each use of a connection, as in a restart or a failover. */

const db = useDatabase();
const places = usePlaces();
let rig: ReturnType<typeof newLedger>;
let account: Account;

beforeAll(async () => {
  rig = newLedger(db.database);
  account = await newAccount(db.database);
  await rig.ledger.submit(grantOf(account, 1_000_000n), wanted);
});
afterAll(() => rig.ledger.stop());

const ONE: Statement = { name: 'one', text: 'select 1 as one' };
const PID: Statement = { name: 'pid', text: 'select pg_backend_pid() as pid' };

/** Ends a backend of this test's database, and waits for its exit. */
async function terminate(pid: number): Promise<void> {
  await db.query('select pg_terminate_backend($1, 10000)', [pid]);
}

/** The pids of this database's backends that wait for a lock, by application name. */
async function waitingBackends(application: string): Promise<number[]> {
  const rows = await db.query<{ pid: number }>(
    `select pid from pg_stat_activity
     where datname = current_database() and application_name = $1 and wait_event_type = 'Lock'`,
    [application],
  );
  return rows.map(({ pid }) => pid);
}

async function backendsOf(application: string): Promise<number[]> {
  const rows = await db.query<{ pid: number }>(
    `select pid from pg_stat_activity
     where datname = current_database() and application_name = $1`,
    [application],
  );
  return rows.map(({ pid }) => pid);
}

/** Holds a lock in a separate session while `during` runs. */
async function whileLocked<T>(lock: string, during: () => Promise<T>): Promise<T> {
  const holder = new pg.Client(db.config);
  await holder.connect();
  try {
    await holder.query('begin');
    await holder.query(lock);
    return await during();
  } finally {
    await holder.end();
  }
}

/** Ends the backend with this application name that waits for a lock. */
async function terminateWaiting(application: string): Promise<void> {
  await expect.poll(() => waitingBackends(application)).toHaveLength(1);
  const [pid] = await waitingBackends(application);
  await terminate(pid ?? 0);
}

describe('a backend that is terminated', () => {
  test('between two statements of a transaction fails it clearly, and the next one works', async () => {
    const failed = db.database.transaction(async (tx) => {
      const [row] = await tx.rows<{ pid: number }>(PID);
      await terminate(row?.pid ?? 0);
      await tx.rows(ONE);
    });
    await expect(failed).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(await db.database.rows(ONE)).toEqual([{ one: 1 }]);
  });

  test('while a transaction waits for something else does not end the process', async () => {
    const failed = db.database.transaction(async (tx) => {
      const [row] = await tx.rows<{ pid: number }>(PID);
      await terminate(row?.pid ?? 0);
      // The socket reports the end in a turn of the event loop in which no statement runs.
      for (let turn = 0; turn < 3; turn += 1) await db.query('select');
    });
    await expect(failed).rejects.toBeInstanceOf(DatabaseUnavailable);
  });

  test('before the commit of a transaction fails it, and nothing of it stays', async () => {
    const failed = db.database.transaction(async (tx) => {
      const [row] = await tx.rows<{ pid: number }>(PID);
      await tx.rows({ name: 'rename', text: `update accounts set name = 'B'` });
      await terminate(row?.pid ?? 0);
    });
    await expect(failed).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(await db.query('select name from accounts')).toEqual([{ name: 'A' }]);
  });

  test('under a statement of the pool fails it clearly, and the next one works', async () => {
    const count: Statement = { name: 'count', text: 'select count(*)::int as n from accounts' };
    await whileLocked('lock table accounts', async () => {
      const failed = db.database.rows(count).catch((error: unknown) => error);
      await terminateWaiting('purser');
      expect(await failed).toBeInstanceOf(DatabaseUnavailable);
    });
    expect(await db.database.rows(count)).toEqual([{ n: 1 }]);
  });

  test('while it is idle is replaced before anybody notices', async () => {
    await db.database.rows(ONE);
    for (const pid of await backendsOf('purser')) await terminate(pid);
    await expect.poll(() => db.database.rows(ONE).catch(() => 'unavailable')).toEqual([{ one: 1 }]);
  });

  test('under a batch of the lane is replaced, and each charge is made once', async () => {
    const before = (await readBalance(db.database, account.publicId))?.posted ?? 0n;
    const lock = `select from balances where account_id = '${account.id}' for update`;
    const charges = Array.from({ length: 50 }, () => chargeOf(account));
    const outcomes = await whileLocked(lock, async () => {
      const all = Promise.all(charges.map((charge) => rig.ledger.submit(charge, wanted)));
      await terminateWaiting('purser lane');
      return { all };
    });
    expect(tally(await outcomes.all)).toEqual({ recorded: 50 });
    expect((await readBalance(db.database, account.publicId))?.posted).toBe(before - 50n);
  });

  test('of an idle lane is replaced, and the next charge is recorded', async () => {
    for (const pid of await backendsOf('purser lane')) await terminate(pid);
    expect(await rig.ledger.submit(chargeOf(account), wanted)).toMatchObject({ kind: 'recorded' });
  });

  test('under a read of keys is replaced, and the read is answered', async () => {
    const reads = new KeyReads(db.database, { observer: new Counts() });
    const unknown = '0'.repeat(64);
    const answer = await whileLocked('lock table operator_keys', async () => {
      const asked = reads.operatorKey(unknown);
      await terminateWaiting('purser reads');
      return { asked };
    });
    expect(await answer.asked).toBeUndefined();
    reads.stop();
  });

  test('under the sweeper fails its turn, and the next turn works', async () => {
    const sweeper = new Sweeper(db.database, rig.ledger, { warn: () => {} });
    await whileLocked('lock table balances', async () => {
      const turn = sweeper.sweep().catch((error: unknown) => error);
      await terminateWaiting('purser');
      expect(await turn).toBeInstanceOf(DatabaseUnavailable);
    });
    expect(await sweeper.sweep()).toBe(false);
  });

  test('under a verification fails it clearly, and the next one works', async () => {
    await whileLocked('lock table entries', async () => {
      const failed = verify(db.database).catch((error: unknown) => error);
      await terminateWaiting('purser');
      expect(await failed).toBeInstanceOf(DatabaseUnavailable);
    });
    expect(await verify(db.database)).toMatchObject({ problem: null });
  });

  test('of the readiness makes the node unready at most until the next probe', async () => {
    const connect = () => db.database.pipeline('purser readiness', {}, 1_000);
    const first = new Readiness(connect);
    expect(await first.check()).toEqual({ database: true, migrations: true });
    await whileLocked('lock table purser_migrations', async () => {
      const second = new Readiness(connect);
      const asked = second.check();
      await terminateWaiting('purser readiness');
      expect(await asked).toEqual({ database: false, migrations: false });
      await second.stop();
    });
    for (const pid of await backendsOf('purser readiness')) await terminate(pid);
    await expect.poll(() => first.check(), { timeout: 5_000 }).toMatchObject({ database: true });
    await first.stop();
  });
});

describe('while a database is opened, a backend that is terminated', () => {
  const migrateLock = 'select pg_advisory_lock(7241865325823964)';
  const holders: pg.Client[] = [];
  afterEach(async () => {
    for (const holder of holders.splice(0)) await holder.end();
  });

  test('in the middle of the migrations is reported in three parts, and the next start works', async () => {
    const name = await places.database();
    const holder = new pg.Client(places.config(name));
    holders.push(holder);
    await holder.connect();
    await holder.query(migrateLock);
    const log = { info: () => {}, warn: () => {} };
    const { signal } = new AbortController();
    const options = {
      databaseUrl: places.url(name),
      dataDir: '',
      as: 'command',
      log,
      signal,
    } as const;
    const opening = openDatabase(options).catch((error: unknown) => error);
    const waiting = `select pid from pg_stat_activity
      where datname = '${name}' and application_name = 'purser start' and wait_event = 'advisory'`;
    await expect.poll(() => db.query(waiting)).toHaveLength(1);
    const [backend] = await db.query<{ pid: number }>(waiting);
    await terminate(backend?.pid ?? 0);
    expect(await opening).toMatchObject({
      name: 'OperatorError',
      message: 'The connection to PostgreSQL was lost while Purser opened the database.',
      solution: expect.stringContaining('Start again'),
    });
    await holder.end();
    holders.pop();
    const opened = await openDatabase(options);
    expect(opened.migrated.length).toBeGreaterThan(5);
    await opened.close();
  });
});
