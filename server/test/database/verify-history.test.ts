import { beforeAll, describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/auth/api-keys.ts';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import { rollUp } from '../../src/ledger/history/usage.ts';
import { TABLES } from '../../src/ledger/proof/sql/chunks.ts';
import { VERIFY_BOUNDS, verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { useCorruption } from './corruption.ts';
import { liveOneDay } from './day.ts';
import { chargeOf, newAccount, useLedger } from './rig.ts';

/** Faults that `verify` finds in instants, sums and actors, and in rows without an account. */

const db = useDatabase();
const rig = useLedger(db.database);
const corrupt = useCorruption(db);
let account: Account;

/** Makes the day's thirty operations a large account, with ten ranges. */
const SMALL_BOUNDS = { mostAccounts: 1, mostOperations: 3n };
const EVERYTHING = { shortestTail: 1n, chunk: 8n, mostOperations: 1_000n, mostAccounts: 10 };

beforeAll(async () => {
  await newAccount(db.database);
  account = await liveOneDay(db, rig.ledger);
  const other = await newAccount(db.database);
  await createApiKey(db.database, other.id, { name: null, scopes: [], expiresAt: null });
  const call = JSON.stringify({ route: 'search', quantities: { calls: '1', pages: '2.5' } });
  await rig.ledger.submit(chargeOf(account, { amount: 2n, call }), () => true);
  await rollUp(db.database, null, EVERYTHING);
  // The rollup does not count this charge yet.
  await rig.ledger.submit(chargeOf(account, { amount: 3n, call }), () => true);
  await db.query(
    `insert into call_endings (account_id, number, at, ending)
     select account_id, number, at, 'delivered' from operations where call is not null`,
  );
});

const OF_GRANT_4 = (kind: string) => `kind = '${kind}' and subject = 4`;

describe('verify', () => {
  test.each([VERIFY_BOUNDS, SMALL_BOUNDS])('finds sound books sound, by %o', async (bounds) => {
    const [counts] = await db.query<{ operations: string; entries: string }>(
      'select (select count(*) from operations) as operations, count(*) as entries from entries',
    );
    expect(await verify(db.database, {}, bounds)).toEqual({
      accounts: 3,
      operations: Number(counts?.operations),
      entries: Number(counts?.entries),
      problem: null,
      provedTo: null,
    });
  });

  test('checks every table with rows of accounts', async () => {
    const tables = await db.query<{ table_name: string }>(
      `select table_name from information_schema.columns
       where table_schema = 'public' and column_name = 'account_id'`,
    );
    const names = tables.map(({ table_name }) => table_name);
    expect(names.toSorted()).toEqual([...TABLES].toSorted());
  });

  test.each<[string, string, RegExp, RegExp]>([
    [
      'a hold that expired late',
      `update operations set at = at + interval '1 ms' where kind = 'hold_expiry'`,
      /booked at its instant/,
      /operation \d+ \(hold_expiry\) of operation 19 is at/,
    ],
    [
      'a hold that expired early',
      `update operations set at = at - interval '1 ms' where kind = 'hold_expiry'`,
      /booked at its instant/,
      /operation \d+ \(hold_expiry\) of operation 19 is at/,
    ],
    [
      'a hold that was made to last longer than it did',
      `update operations set expires_at = expires_at + interval '1 s' where number = 19`,
      /booked at its instant/,
      /\(hold_expiry\) of operation 19/,
    ],
    [
      'a grant that started early',
      `update operations set at = at - interval '1 ms' where ${OF_GRANT_4('grant_start')}`,
      /booked at its instant/,
      /\(grant_start\) of operation 4/,
    ],
    [
      'a grant that ended late',
      `update operations set at = at + interval '1 ms' where ${OF_GRANT_4('grant_end')}`,
      /booked at its instant/,
      /\(grant_end\) of operation 4/,
    ],
    [
      'a grant that ended by an expiry that it has not',
      `update grants set expires_at = null where number = 22;
       update operations set expires_at = null where number = 22`,
      /ended at its expiry or its void/,
      /grant 22 ended by expiry at .*; its expiry is never/,
    ],
    [
      'a grant that was voided at another time than it ended',
      `update grants set ended_at = ended_at + interval '1 ms' where number = 5`,
      /ended at its expiry or its void/,
      /grant 5 ended by void/,
    ],
    [
      'an operation after which something else was available',
      'update operations set available_after = available_after + 1 where number = 9',
      /what was available after it/,
      /operation 9 \(charge\) says 118 after it, it was 117/,
    ],
    [
      'a capture that does not know of its overage',
      'update operations set available_after = available_after + 3 where number = 16',
      /what was available after it/,
      /operation 16 \(capture\) says 123 after it, its overage says 120/,
    ],
    [
      'a capture and its overage that agree on something wrong',
      'update operations set available_after = available_after + 1 where number in (16, 17)',
      /what was available after it/,
      /operation 17 \(overage\)/,
    ],
    [
      'a reversal of what is not there',
      'update operations set subject = 0 where number = 10',
      /about one that it can be about/,
      /operation 10 \(reversal\) is about operation 0, which is missing/,
    ],
    [
      'a reversal beyond its charge, with every sum to match',
      `update operations set amount = amount + 11 where number = 10;
       update operations set available_after = available_after + 11 where number >= 10;
       update entries set amount = amount + 11 where number = 10 and line = 1;
       update entries set posted_after = posted_after + 11 where number >= 10;
       update grants set remaining = remaining + 11
         where number = (select grant_number from entries where number = 10 and line = 1);
       update balances set posted = posted + 11 where posted > 0`,
      /give back its amount at most/,
      /charge 9 is of 30, its reversals gave 31 back/,
    ],
    [
      'a sum of entries that is off',
      `update entry_sums set amount = amount + 1
       where number = (select min(number) from entry_sums) and kind = 'charge'`,
      /sums of entries are those/,
      /charge, revenue, .* for the operations 1 to 8/,
    ],
    [
      'a sum of entries that counted one twice',
      `update entry_sums set entries = entries + 1
       where number = (select max(number) from entry_sums) and kind = 'charge'`,
      /sums of entries are those/,
      /charge, revenue/,
    ],
    [
      'a sum of entries in another book',
      `update entry_sums set book = 'breakage'
       where number = (select min(number) from entry_sums) and kind = 'charge'`,
      /sums of entries are those/,
      /charge, (revenue|breakage), .* for the operations 1 to 8/,
    ],
    [
      'sums of entries that are lost',
      'delete from entry_sums where number = (select min(number) from entry_sums)',
      /sums of entries are those/,
      /for the operations 1 to 16/,
    ],
    [
      'the last sums of entries lost',
      'delete from entry_sums where number = (select max(number) from entry_sums)',
      /reach as far as the rollup says/,
      /operations are summed up to \d+; the last line/,
    ],
    [
      'usage that is off',
      'update usage_days set charged = charged + 1 where api_key_id is null',
      /usage is what the operations/,
      /usage of \d{4}-\d\d-\d\d, route search says 1 charges of 3 and 0 reversed; the operations say 1 of 2 and 0/,
    ],
    [
      'usage that is lost',
      'delete from usage_days where api_key_id is not null',
      /usage is what the operations/,
      /key [-0-9a-f]{36}, scope search says 0 charges/,
    ],
    [
      'usage that nobody had',
      `insert into usage_days select account_id, '2020-01-01', api_key_id, scope, 1, 1, 0, route
       from usage_days limit 1`,
      /usage is what the operations/,
      /usage of 2020-01-01.* says 1 charges of 1/,
    ],
    [
      'a quantity that is off',
      `update usage_quantities set amount = 2.25 where quantity = 'pages'`,
      /quantities of usage/,
      /says 2\.25 of pages, the operations say 2\.5/,
    ],
    [
      'a quantity that is lost',
      `delete from usage_quantities where quantity = 'calls'`,
      /quantities of usage/,
      /says 0 of calls, the operations say 1/,
    ],
    [
      'a rollup beyond the last operation',
      'update rollups set number = 1000',
      /no more is summed up than there is/,
      /summed up to 1000, the last one is \d+/,
    ],
    [
      'a rollup that is lost',
      'delete from rollups',
      /reach as far as the rollup says/,
      /summed up to 0; the last line of sums is at \d+/,
    ],
    [
      'a rollup that has counted less than its sums',
      'update rollups set number = number - 1',
      /reach as far as the rollup says/,
      /the last line of sums is at \d+/,
    ],
    [
      'a limit whose period has not begun',
      `update spend_limits set period_start = date_trunc('month', now() + interval '1 month', 'UTC')
       where period = 'month'`,
      /period of a spend limit has begun/,
      /by month counts from/,
    ],
    [
      'a limit whose period is none',
      `update spend_limits set period_start = period_start + interval '1 h' where period = 'total'`,
      /period of a spend limit has begun/,
      /by total counts from/,
    ],
    [
      'a limit that would begin anew with what was spent',
      `update spend_limits set period_start = date_trunc('month', now() - interval '40 days', 'UTC')
       where period = 'month'`,
      /period of what was spent last/,
      /by month counts from .*, and something was spent on/,
    ],
    [
      'a limit of a key of another account',
      `update spend_limits set holder = (select id from api_keys where scopes = '{}')
       where period = 'month'`,
      /an account, or of one of its keys/,
      /the limit by month is of/,
    ],
    [
      'an operation by an operator key that is not there',
      `update operations set actor = 'operator_key', actor_id = gen_random_uuid() where number = 9`,
      /somebody who could/,
      /operation 9 \(charge\) is by operator_key [-0-9a-f]{36}/,
    ],
    [
      'an operation by a key of another account',
      `update operations set actor = 'api_key', actor_id = (select id from api_keys where scopes = '{}')
       where number = 9`,
      /somebody who could/,
      /operation 9 \(charge\) is by api_key/,
    ],
    [
      'a charge by the sweeper',
      `update operations set actor = 'sweeper' where number = 9`,
      /somebody who could/,
      /operation 9 \(charge\) is by sweeper/,
    ],
    [
      'an expiry by somebody',
      `update operations set actor = 'local' where kind = 'hold_expiry'`,
      /somebody who could/,
      /\(hold_expiry\) is by local/,
    ],
    [
      'an overage by another than its capture',
      `update operations set actor = 'gateway' where kind = 'overage'`,
      /somebody who could/,
      /operation 17 \(overage\) is by gateway/,
    ],
  ])('finds %s, and says which', async (_, text, promise, details) => {
    await corrupt(text);
    for (const bounds of [VERIFY_BOUNDS, SMALL_BOUNDS]) {
      const { problem } = await verify(db.database, {}, bounds);
      expect(problem?.promise).toMatch(promise);
      expect(problem?.details).toMatch(details);
      expect(problem?.account).toBe(account.publicId);
    }
  });

  test.each(TABLES.filter((table) => table !== 'call_claims' && table !== 'idempotent_calls'))(
    'finds a row of %s that belongs to no account',
    async (table) => {
      const stray = account.id.replace(/^..../, 'ffff');
      await corrupt(strayIn(table, stray));
      expect((await verify(db.database)).problem).toEqual({
        account: stray,
        promise: 'every row belongs to an account',
        details: `a row of ${table} belongs to no account`,
      });
    },
  );

  test.each(['0000', 'same', 'ffff'])(
    'finds such a row wherever it stands, and a run that goes on after it does not look back: %s',
    async (start) => {
      const stray =
        start === 'same'
          ? account.id.replace(/..$/, account.id.endsWith('00') ? '11' : '00')
          : account.id.replace(/^..../, start);
      await corrupt(strayIn('usage_days', stray));
      expect((await verify(db.database, {}, SMALL_BOUNDS)).problem?.account).toBe(stray);
      const rest = await verify(db.database, { after: account.publicId }, SMALL_BOUNDS);
      const isBehind = stray > account.id;
      expect(rest.problem?.account).toBe(isBehind ? stray : undefined);
    },
  );
});

/** Copies a row of a table to another account id. */
const strayIn = (table: string, id: string) => `
  insert into ${table}
  select (jsonb_populate_record(t, jsonb_build_object('account_id', '${id}', 'id', gen_random_uuid()))).*
  from ${table} t where account_id = '${account.id}' limit 1`;
