import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listApiKeys } from '../../src/auth/sql/api-keys.ts';
import type { Statement } from '../../src/db/connection/database.ts';
import { listAccounts } from '../../src/ledger/accounts/sql/accounts.ts';
import { firstSince, sumSpent } from '../../src/ledger/accounts/sql/spend-limits.ts';
import { readTails } from '../../src/ledger/history/sql/usage.ts';
import { LANE_SETTINGS } from '../../src/ledger/lane/lane.ts';
import { deleteHolds, findKnown } from '../../src/ledger/lane/sql/lane.ts';
import { readDueHolds, readNamedHolds, readNextHoldEnds } from '../../src/ledger/lane/sql/state.ts';
import { chunk } from '../../src/ledger/proof/sql/chunks.ts';
import { dueAccounts } from '../../src/ledger/sql/sweeper.ts';
import { useDatabase } from '../postgres.ts';

const OPERATIONS = 20_000;
/** Many times the pages of an index descent and a row. A scan of the account takes hundreds. */
const MOST_PAGES = 40;
const ACCOUNT = '00000000-0000-0000-0000-000000000001';

const db = useDatabase();
let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client(db.config);
  await client.connect();
});

afterAll(() => client.end());

test('a batch finds its idempotency keys without a scan of the account', async () => {
  await client.query('begin');
  // If statistics say that an account has one operation, the planner chooses any index.
  await client.query(insertOf('gen_random_uuid()', OPERATIONS));
  await client.query('analyze operations');
  for (const [name, value] of Object.entries(LANE_SETTINGS)) {
    await client.query(`set local ${name} = '${value}'`);
  }
  await client.query(`prepare known (uuid[], bytea[]) as ${findKnown.text}`);
  const look = `explain (analyze, buffers, timing off, format json)
    execute known (array['${ACCOUNT}'::uuid], array['\\x${'00'.repeat(16)}'::bytea])`;
  await client.query(look);
  await client.query(insertOf(`'${ACCOUNT}'::uuid`, OPERATIONS));
  const { rows } = await client.query(look);
  const { Plan } = rows[0]['QUERY PLAN'][0];
  expect(Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']).toBeLessThan(MOST_PAGES);
  await client.query('rollback');
});

test('a hold is found by its number, however many have ended, and by its expiry if it is due', async () => {
  await client.query('begin');
  const { rowCount } = await client.query(
    `insert into holds (account_id, number, amount, expires_at, grants, amounts)
     select '${ACCOUNT}', n, 1, '2026-01-01', '{1}', '{1}' from generate_series(1, ${OPERATIONS}) n`,
  );
  await client.query('delete from holds where number <= $1', [OPERATIONS - 60]);
  // The statistics that a vacuum leaves if it runs while holds are made and end.
  await client.query(`
    update pg_class set reltuples = 60, relpages = pg_relation_size(oid) / 8192
    where relname in ('holds', 'holds_pkey', 'holds_due')`);
  expect(rowCount).toBe(OPERATIONS);
  for (const [name, value] of Object.entries(LANE_SETTINGS)) {
    await client.query(`set local ${name} = '${value}'`);
  }
  const indexesOf = async ({ name, text }: Statement, types: string, values: string) => {
    await client.query(`prepare ${name} (${types}) as ${text}`);
    const { rows } = await client.query(`explain (format json) execute ${name} (${values})`);
    return JSON.stringify(rows).match(/holds_(due|pkey)/g);
  };
  const byNumber = ['uuid[], bigint[]', `array['${ACCOUNT}'::uuid], array[${OPERATIONS}]`] as const;
  expect(await indexesOf(readNamedHolds, ...byNumber)).toEqual(['holds_pkey']);
  expect(await indexesOf(deleteHolds, ...byNumber)).toEqual(['holds_pkey']);
  const due = ['uuid[], timestamptz[]', `array['${ACCOUNT}'::uuid], array[now()]`] as const;
  expect(await indexesOf(readDueHolds, ...due)).toEqual(['holds_due']);
  expect(await indexesOf(readNextHoldEnds, ...due)).toEqual(['holds_due']);
  await client.query('rollback');
});

test('the sweeper finds due events without a scan of later ones', async () => {
  await client.query('begin');
  await client.query(
    `insert into balances (account_id, last_at, next_due_at)
     select gen_random_uuid(), now(), now() + interval '1 day' from generate_series(1, $1::int)`,
    [OPERATIONS],
  );
  await client.query('analyze balances');
  await client.query('set local plan_cache_mode = force_generic_plan');
  await client.query(`prepare due (timestamptz, timestamptz, int) as ${dueAccounts.text}`);
  const { rows } = await client.query(
    'explain (analyze, buffers, timing off, format json) execute due (now(), now(), 200)',
  );
  const { Plan } = rows[0]['QUERY PLAN'][0];
  expect(Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']).toBeLessThan(MOST_PAGES);
  await client.query('rollback');
});

test('a spend limit finds the start of its period, and counts its last operations, without a scan', async () => {
  await client.query('begin');
  await client.query(insertOf('gen_random_uuid()', OPERATIONS));
  await client.query('analyze operations');
  await client.query('set local plan_cache_mode = force_generic_plan');
  await client.query(`prepare first (uuid, bigint, timestamptz) as ${firstSince.text}`);
  await client.query(`prepare spent (uuid, uuid, bigint, bigint, bigint) as ${sumSpent.text}`);
  await client.query(insertOf(`'${ACCOUNT}'::uuid`, OPERATIONS));
  const looks = [
    `first ('${ACCOUNT}', ${OPERATIONS}, now() + interval '1 day')`,
    `spent ('${ACCOUNT}', '${ACCOUNT}', 1, ${OPERATIONS - 12}, ${OPERATIONS - 2})`,
  ];
  for (const look of looks) {
    const { rows } = await client.query(
      `explain (analyze, buffers, timing off, format json) execute ${look}`,
    );
    const { Plan } = rows[0]['QUERY PLAN'][0];
    // A binary search is 15 look-ups, and ten operations fill part of one page.
    expect(Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']).toBeLessThan(10 * MOST_PAGES);
  }
  await client.query('rollback');
});

test('a page of accounts or keys is found without a scan of earlier pages', async () => {
  await client.query('begin');
  await client.query(
    `insert into accounts (id, public_id, kind, name, created_at)
     select id, replace(id::text, '-', '') || repeat('0', 32), 'organization', 'A', at
     from (select ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid as id,
                  timestamptz '2026-01-01' - n * interval '1 s' as at from generate_series(1, $1::int) as n) a`,
    [OPERATIONS],
  );
  await client.query(
    'insert into balances (account_id, last_at) select id, created_at from accounts',
  );
  await client.query(
    `insert into api_keys (id, account_id, scopes, masked, created_at)
     select id, $1, '{search}', 'k', created_at from accounts`,
    [ACCOUNT],
  );
  await client.query('analyze accounts');
  await client.query('analyze balances');
  await client.query('analyze api_keys');
  await client.query('set local plan_cache_mode = force_generic_plan');
  const middle = `'00000000-0000-0000-0000-${(OPERATIONS / 2).toString(16).padStart(12, '0')}'`;
  const pages = [
    [chunk, 'uuid, int', (after: string) => `(${after}, 5)`],
    [readTails, 'uuid, int', (after: string) => `(${after}, 5)`],
    [listAccounts, 'uuid, int', (after: string) => `(${after}, 5)`],
    [listApiKeys, 'uuid, uuid, int', (after: string) => `('${ACCOUNT}', ${after}, 5)`],
  ] as const;
  for (const [{ name, text }, types, values] of pages) {
    await client.query(`prepare ${name} (${types}) as ${text}`);
    for (const after of ['null', middle]) {
      const { rows } = await client.query(
        `explain (analyze, buffers, timing off, format json) execute ${name} ${values(after)}`,
      );
      const { Plan } = rows[0]['QUERY PLAN'][0];
      expect(Plan['Actual Rows'], name).toBe(5);
      expect(Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'], name).toBeLessThan(MOST_PAGES);
    }
  }
  await client.query('rollback');
});

function insertOf(account: string, count: number): string {
  return `
    insert into operations (account_id, number, kind, at, amount, available_after,
                            idempotency_digest, fingerprint)
    select ${account}, n, 'charge', now(), 1, 0,
           substring(sha256(n::text::bytea) for 16), substring(sha256(n::text::bytea) for 16)
    from generate_series(1, ${count}) as n`;
}
