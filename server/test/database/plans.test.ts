import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LANE_SETTINGS } from '../../src/ledger/lane.ts';
import { readKnown } from '../../src/ledger/sql/lane.ts';
import { firstSince, sumSpent } from '../../src/ledger/sql/spend-limits.ts';
import { useDatabase } from '../postgres.ts';

const OPERATIONS = 20_000;
/** A descent of the index and a row, many times over; a walk through the account takes hundreds. */
const MOST_PAGES = 40;
const ACCOUNT = '00000000-0000-0000-0000-000000000001';

const db = useDatabase();
let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client(db.config);
  await client.connect();
});

afterAll(() => client.end());

test('a batch finds its idempotency keys without a walk through the account', async () => {
  await client.query('begin');
  // Statistics that say that an account has one operation make the planner careless.
  await client.query(insertOf('gen_random_uuid()', OPERATIONS));
  await client.query('analyze operations');
  for (const [name, value] of Object.entries(LANE_SETTINGS)) {
    await client.query(`set local ${name} = '${value}'`);
  }
  await client.query(`prepare known (uuid[], bytea[]) as ${readKnown.text}`);
  const look = `explain (analyze, buffers, timing off, format json)
    execute known (array['${ACCOUNT}'::uuid], array['\\x${'00'.repeat(16)}'::bytea])`;
  await client.query(look);
  await client.query(insertOf(`'${ACCOUNT}'::uuid`, OPERATIONS));
  const { rows } = await client.query(look);
  const { Plan } = rows[0]['QUERY PLAN'][0];
  expect(Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']).toBeLessThan(MOST_PAGES);
  await client.query('rollback');
});

test('a spend limit finds where its period begins, and counts its last operations, without a walk', async () => {
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
    // A bisection is 15 look-ups, and ten operations are a part of one block.
    expect(Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']).toBeLessThan(10 * MOST_PAGES);
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
