import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database, Sql } from '../../src/db/connection/database.ts';
import { parameterOf } from '../../src/db/connection/parameters.ts';
import { typeParsers } from '../../src/db/connection/types.ts';
import { VERIFY_BOUNDS, verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';

/** The cost of `verify` grows with the ledger, and not with the number of its snapshots. */

const ACCOUNTS = 400;
const OPERATIONS = 25;
const LARGE = 10_000;

const db = useDatabase();
let client: pg.Client;
/** The number of disk pages that the statements read. */
let pages = 0;

/** Runs each statement twice: for its rows, and for the number of pages that it reads. */
const sql: Sql = {
  rows: async ({ text }, values = []) => {
    const asked = { text, values: values.map(parameterOf), types: typeParsers };
    const { rows } = await client.query(asked);
    if (/^\s*(select|with)/.test(text) && !text.includes('set_config')) {
      const explained = { ...asked, text: `explain (analyze, buffers, format json) ${text}` };
      const [{ 'QUERY PLAN': plans } = { 'QUERY PLAN': [] }] = (await client.query(explained)).rows;
      pages += plans[0].Plan['Shared Hit Blocks'] + plans[0].Plan['Shared Read Blocks'];
    }
    return rows;
  },
};
const counted: Database = {
  ...sql,
  transaction: async (work) => {
    await client.query('begin');
    const result = await work(sql);
    await client.query('commit');
    return result;
  },
};

async function pagesOf(bounds: typeof VERIFY_BOUNDS): Promise<number> {
  pages = 0;
  const { problem, operations } = await verify(counted, {}, bounds);
  expect({ problem, operations }).toEqual({
    problem: null,
    operations: ACCOUNTS * OPERATIONS + LARGE,
  });
  return pages;
}

/** The accounts with their numbers of charges. The one with the last id is the large one. */
const lives = `
  select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as id,
         case n when ${ACCOUNTS + 1} then ${LARGE} else ${OPERATIONS} end as operations
  from generate_series(1, ${ACCOUNTS + 1}) as n`;

beforeAll(async () => {
  client = new pg.Client(db.config);
  await client.connect();
  await client.query("set timezone = 'UTC'");
  await client.query('set jit = off');
  await client.query(`
    insert into accounts (id, public_id, kind, name, created_at)
    select id, rpad(replace(id::text, '-', ''), 64, '0'), 'organization', 'A', '2026-01-01'
    from (${lives}) a;
    insert into balances (account_id, posted, last_number, last_at)
    select id, 1000000 - operations + 1, operations, '2026-01-01' from (${lives}) a;
    insert into grants (account_id, number, category, book, priority, amount, remaining, effective_at,
                        started, live)
    select id, 1, 'paid', 'funding', 50, 1000000, 1000000 - operations + 1, '2026-01-01', true, true
    from (${lives}) a;
    insert into operations (account_id, number, kind, at, amount, available_after,
                            idempotency_digest, fingerprint)
    select id, n, case n when 1 then 'grant' else 'charge' end::operation_kind, '2026-01-01',
           case n when 1 then 1000000 else 1 end, 1000000 - n + 1,
           decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex')
    from (${lives}) a cross join generate_series(1, operations) as n;
    insert into entries (account_id, number, line, amount, grant_number, category, book, posted_after)
    select id, n, 1, case n when 1 then 1000000 else -1 end, 1, 'paid',
           case n when 1 then 'funding' else 'revenue' end::book, 1000000 - n + 1
    from (${lives}) a cross join generate_series(1, operations) as n;`);
});

afterAll(() => client.end());

test.each([
  ['were never gathered', 'select'],
  [
    'are from when there was one row',
    `update pg_class set reltuples = 1, relpages = 1
      where relnamespace = 'public'::regnamespace and relkind = 'r'`,
  ],
  ['are right', 'analyze'],
])('many snapshots look at no more than few, if statistics %s', async (_, statement) => {
  await client.query(statement);
  const few = await pagesOf(VERIFY_BOUNDS);
  const many = await pagesOf({ mostAccounts: 10, mostOperations: 500n });
  expect(many).toBeLessThan(1.5 * few);
});
