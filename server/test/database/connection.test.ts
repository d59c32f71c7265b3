import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { KeyReads } from '../../src/auth/key-reads.ts';
import { DatabaseUnavailable } from '../../src/db/connection/database.ts';
import { PostgresDatabase } from '../../src/db/connection/postgres.ts';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import { readBalance } from '../../src/ledger/lane/unlocked-read.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { asksToCommit, saysCommitted, startProxy } from './proxy.ts';
import { Counts, chargeOf, grantOf, newAccount, newLedger, tally, wanted } from './rig.ts';

const db = useDatabase();
let proxy: Awaited<ReturnType<typeof startProxy>>;
let behindProxy: PostgresDatabase;
let rig: ReturnType<typeof newLedger>;
let account: Account;

beforeAll(async () => {
  proxy = await startProxy(db.serving);
  const log = { warn: () => {} };
  behindProxy = new PostgresDatabase({ source: () => proxy.config, role: null, log });
  rig = newLedger(behindProxy);
  account = await newAccount(db.database);
  await rig.ledger.submit(grantOf(account, 1_000_000n), wanted);
});

afterAll(async () => {
  await rig.ledger.stop();
  await behindProxy.close();
  await proxy.close();
});

afterEach(() => {
  proxy.weather = {};
});

const posted = async () => (await readBalance(db.database, account.publicId))?.posted ?? 0n;
const charge50 = () => Array.from({ length: 50 }, () => chargeOf(account));
const submitAll = (operations: ReturnType<typeof charge50>) =>
  Promise.all(operations.map((operation) => rig.ledger.submit(operation, wanted)));

describe('a connection that is cut', () => {
  test('between the commit and its answer leaves each charge once, answered as recorded', async () => {
    const before = await posted();
    let cut = false;
    proxy.weather = {
      toClient: (data) => {
        if (cut || !saysCommitted(data)) return true;
        cut = true;
        return false;
      },
    };
    const outcomes = await submitAll(charge50());
    expect(cut).toBe(true);
    expect(tally(outcomes)).toEqual({ recorded: 50 });
    expect(await posted()).toBe(before - 50n);
    expect(await verify(db.database)).toMatchObject({ problem: null });
  });

  test('before the commit arrives leaves each charge once too', async () => {
    const before = await posted();
    let cut = false;
    proxy.weather = {
      toServer: (data) => {
        if (cut || !asksToCommit(data)) return true;
        cut = true;
        return false;
      },
    };
    const outcomes = await submitAll(charge50());
    expect(cut).toBe(true);
    expect(tally(outcomes)).toEqual({ recorded: 50 });
    expect(await posted()).toBe(before - 50n);
  });

  test('with PostgreSQL unreachable afterwards is answered outcome_unknown, and the retry replays', async () => {
    const before = await posted();
    proxy.weather = {
      toClient: (data) => {
        if (!saysCommitted(data)) return true;
        proxy.weather = { refuse: true };
        return false;
      },
    };
    const operations = charge50();
    const outcomes = await submitAll(operations);
    expect(tally(outcomes)).toEqual({ outcome_unknown: 50 });
    proxy.weather = {};
    expect(tally(await submitAll(operations))).toEqual({ replayed: 50 });
    expect(await posted()).toBe(before - 50n);
  });

  test('again and again is given up within bounds, with nothing charged', async () => {
    const before = await posted();
    proxy.weather = { toServer: (data) => !asksToCommit(data) };
    const outcomes = await submitAll(charge50());
    expect(tally(outcomes)).toEqual({ outcome_unknown: 50 });
    expect(await posted()).toBe(before);
  });
});

describe('an unreachable PostgreSQL', () => {
  test('is answered database_unavailable, and the lane heals by itself', async () => {
    const before = await posted();
    proxy.weather = { refuse: true, toServer: () => false };
    const outcomes = await submitAll(charge50());
    expect(tally(outcomes)).toEqual({ database_unavailable: 50 });
    proxy.weather = {};
    const again = await submitAll(charge50());
    expect(tally(again)).toEqual({ recorded: 50 });
    expect(await posted()).toBe(before - 50n);
  });

  test.each([
    ['gone', { refuse: true, toServer: () => false }],
    ['silent', { silent: true }],
  ])('and %s, fails reads within 2 s, and they heal by themselves', async (_, weather) => {
    const reads = new KeyReads(behindProxy, { observer: new Counts() });
    const unknown = '0'.repeat(64);
    expect(await reads.customerKey(unknown)).toBeUndefined();
    proxy.weather = weather;
    const asked = performance.now();
    const questions = Array.from({ length: 20 }, () => reads.customerKey(unknown));
    const answers = await Promise.allSettled(questions);
    expect(answers.every((answer) => answer.status === 'rejected')).toBe(true);
    expect(answers[0]).toMatchObject({ reason: expect.any(DatabaseUnavailable) });
    // The contract promises this bound; it is no measure of speed.
    expect(performance.now() - asked).toBeLessThan(2_000);
    proxy.weather = {};
    await expect
      .poll(
        () =>
          reads.customerKey(unknown).then(
            () => 'well',
            () => 'ill',
          ),
        { timeout: 10_000 },
      )
      .toBe('well');
    reads.stop();
  });
});

test('a read of keys that is cancelled fails alone: the next one, sent by then, finds its key', async () => {
  const sha256 = 'ab'.repeat(32);
  await db.query(`
    insert into operator_keys (id, scopes, masked, sha256, created_at)
    values (gen_random_uuid(), '{accounts:read}', 'ab', '\\x${sha256}', now())`);
  const reads = new KeyReads(db.database, { observer: new Counts() });
  expect(await reads.operatorKey(sha256)).toBeDefined();
  const owner = new pg.Client(db.config);
  await owner.connect();
  await owner.query('begin');
  await owner.query('lock table operator_keys');
  const first = reads.operatorKey(sha256).catch((error: unknown) => error);
  const backend = `select pid from pg_stat_activity
    where wait_event_type = 'Lock' and application_name = 'purser reads'`;
  await expect.poll(() => db.query(backend)).toHaveLength(1);
  const second = reads.operatorKey(sha256);
  await new Promise((sent) => setTimeout(sent, 20));
  await db.query(`select pg_cancel_backend(pid) from (${backend}) waiting`);
  expect(await first).toMatchObject({ cause: { code: '57014' } });
  await owner.query('rollback');
  await owner.end();
  expect(await second).toMatchObject({ principal: { kind: 'operator' } });
  expect(await reads.operatorKey(sha256)).toMatchObject({ principal: { kind: 'operator' } });
  reads.stop();
});
