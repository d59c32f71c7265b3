import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Statement } from '../../src/db/connection/database.ts';
import type { Page } from '../../src/db/page.ts';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import { listCharges, listEntries } from '../../src/ledger/history/lists.ts';
import * as history from '../../src/ledger/history/sql/lists.ts';
import * as past from '../../src/ledger/history/sql/past.ts';
import * as statements from '../../src/ledger/history/sql/statement.ts';
import { rollUp } from '../../src/ledger/history/usage.ts';
import { useDatabase } from '../postgres.ts';
import { newAccount } from './rig.ts';

/** An account with a long history: a query about part of it must not scan all of it. */

const OPERATIONS = 120_000;
const MIDDLE = OPERATIONS / 2;
const START = Date.parse('2026-01-01T00:00:00Z');
const STEP_MS = 20_000;
const RARE = '11111111-0000-0000-0000-000000000001';
const RARE_NUMBER = 5n;
/** A search looks at 100,000 operations for each page, so the rare one is on the second. */
const FOUND = [[], [RARE_NUMBER]];

const db = useDatabase();
let client: pg.Client;
let account: Account;

beforeAll(async () => {
  client = new pg.Client(db.config);
  await client.connect();
  account = await newAccount(db.database);
  await db.query(
    `insert into operations (account_id, number, kind, at, amount, available_after, api_key_id,
                             idempotency_digest, fingerprint)
     select $1, n, 'charge', $3::timestamptz + n * $4 * interval '1 ms', 1, 0,
            case n when $5 then $6::uuid end,
            substring(sha256(n::text::bytea) for 16), substring(sha256(n::text::bytea) for 16)
     from generate_series(1, $2::bigint) as n`,
    [account.id, OPERATIONS, new Date(START).toISOString(), STEP_MS, RARE_NUMBER, RARE],
  );
  await db.query(
    `insert into entries (account_id, number, line, amount, grant_number, category, book, posted_after)
     select $1, n, 1, -1, 1, 'paid', 'revenue', -n from generate_series(1, $2::bigint) as n`,
    [account.id, OPERATIONS],
  );
  await db.query('update balances set last_number = $2 where account_id = $1', [
    account.id,
    OPERATIONS,
  ]);
  await db.query('vacuum analyze operations, entries');
});

afterAll(() => client.end());

/** The number of disk pages that a statement reads. */
async function pagesOf({ text }: Statement, values: readonly unknown[]): Promise<number> {
  const { rows } = await client.query({
    text: `explain (analyze, buffers, format json) ${text}`,
    values: [account.id, ...values],
  });
  const { Plan } = rows[0]['QUERY PLAN'][0];
  return Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
}

const at = (number: number) => new Date(START + number * STEP_MS).toISOString();

describe('an account of many operations', () => {
  test('is not scanned for an instant, its posted balance, or a page of a list', async () => {
    expect(await pagesOf(past.firstNumbers, [[at(MIDDLE)]])).toBeLessThan(100);
    expect(await pagesOf(past.postedBefore, [[MIDDLE]])).toBeLessThan(10);
    const { listEntries: entries, listEntriesOf, listCharges: charges, listGrants } = history;
    for (const end of [MIDDLE, OPERATIONS + 1]) {
      expect(await pagesOf(entries, [1, end, 1, 51])).toBeLessThan(300);
      expect(await pagesOf(listEntriesOf, [1, end, 1, 51, ['charge'], null])).toBeLessThan(300);
      expect(await pagesOf(charges, [1, end, null, null, 51])).toBeLessThan(4_000);
    }
    expect(await pagesOf(listGrants.active, [null, 51])).toBeLessThan(10);
    const day = [MIDDLE - 4_320, 32_767, MIDDLE, 2_000];
    expect(await pagesOf(statements.nextEntries, day)).toBeLessThan(10_000);
  });

  test('is searched in parts for a rare operation, which is found', async () => {
    const asked = { limit: 10, apiKeyId: RARE };
    const charges = await search((below) =>
      listCharges(db.database, account.id, { ...asked, ...(below && { before: below }) }),
    );
    expect(charges.map((items) => items.map(({ receipt }) => receipt.number))).toEqual(FOUND);
    const entries = await search((below) =>
      listEntries(db.database, account.id, {
        ...asked,
        ...(below && { before: { number: below, line: 1 } }),
      }),
    );
    expect(entries.map((items) => items.map(({ number }) => number))).toEqual(FOUND);
  });

  test('is summed up to any number from a part of its rows, once it is rolled up', async () => {
    while ((await rollUp(db.database, null)).operations > 0n);
    await db.query('analyze entry_sums');
    expect(await pagesOf(past.entrySums, [[OPERATIONS + 1]])).toBeLessThan(200);
    expect(await pagesOf(past.entrySums, [[MIDDLE + 5_000]])).toBeLessThan(45_000);
    const { rows } = await client.query('select count(*)::int as sums from entry_sums');
    expect(rows).toEqual([{ sums: OPERATIONS / 10_000 }]);
  });
});

/** The items of each page, up to the last page. */
async function search<T>(list: (below?: bigint) => Promise<Page<T>>): Promise<T[][]> {
  const pages: T[][] = [];
  for (let below: bigint | undefined; ; ) {
    const { items, resumeBelow } = await list(below);
    pages.push(items);
    if (resumeBelow === undefined) return pages;
    below = resumeBelow;
  }
}
