import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Account } from '../../src/ledger/accounts.ts';
import { verify } from '../../src/ledger/verify.ts';
import { useDatabase } from '../postgres.ts';
import { chargeOf, grantOf, newAccount, useLedger, wanted } from './rig.ts';

const db = useDatabase();
const rig = useLedger(db.database);
let account: Account;

beforeAll(async () => {
  await newAccount(db.database);
  account = await newAccount(db.database);
  const terms = {
    category: 'promotional',
    priority: 50,
    effectiveAt: null,
    expiresAt: null,
    appliesTo: null,
  } as const;
  await rig.ledger.submit(grantOf(account, 5n, { terms }), wanted);
  await rig.ledger.submit(grantOf(account, 10n), wanted);
  await rig.ledger.submit(chargeOf(account, { amount: 7n }), wanted);
  await rig.ledger.submit(chargeOf(account, { amount: 2n }), wanted);
});

const TABLES = ['accounts', 'balances', 'grants', 'operations', 'entries'];

/** Runs a corruption in a copy of the tables' rows and puts the rows back afterwards. */
async function corrupt(text: string): Promise<void> {
  for (const table of TABLES) {
    await db.query(`drop table if exists kept_${table}`);
    await db.query(`create table kept_${table} as table ${table}`);
  }
  await db.query(text);
}

afterEach(async () => {
  const [kept] = await db.query<{ kept: boolean }>(
    `select to_regclass('kept_accounts') is not null as kept`,
  );
  if (!kept?.kept) return;
  for (const table of ['entries', 'operations', 'grants', 'balances', 'accounts']) {
    await db.query(`delete from ${table}`);
  }
  for (const table of TABLES) {
    await db.query(`insert into ${table} select * from kept_${table}`);
    await db.query(`drop table kept_${table}`);
  }
});

describe('verify', () => {
  test('finds that sound books add up, and counts them', async () => {
    expect(await verify(db.database)).toEqual({
      accounts: 2,
      operations: 4,
      entries: 5,
      problem: null,
    });
  });

  test.each([
    ['a balance that is off by one', 'update balances set posted = posted + 1 where posted > 0'],
    ['a lost balance row', 'delete from balances where posted > 0'],
    [
      'a lost account',
      'delete from accounts where id = (select account_id from balances where posted > 0)',
    ],
    ['a changed entry', 'update entries set amount = amount - 1 where number = 4'],
    ['a lost entry', 'delete from entries where number = 3 and line = 2'],
    ['a lost operation', 'delete from operations where number = 2'],
    ['a lost last operation', 'delete from operations where number = 4'],
    ['entries of no operation', 'delete from operations where number = 3'],
    ['a changed operation', 'update operations set amount = amount + 1 where number = 3'],
    [
      'a running sum that is off',
      'update entries set posted_after = posted_after + 1 where number = 1',
    ],
    [
      'an instant that goes back',
      "update operations set at = at - interval '1 hour' where number = 2",
    ],
    [
      'a last instant that is off',
      "update balances set last_at = last_at + interval '1 s' where posted > 0",
    ],
    ['a line out of its place', 'update entries set line = 3 where number = 3 and line = 2'],
    [
      'a grant with too much left',
      'update grants set remaining = remaining + 1 where remaining between 1 and 9',
    ],
    ['a grant with another amount', 'update grants set amount = amount + 1 where number = 2'],
    ['a lost grant', 'delete from grants where number = 1'],
    ['a reservation without a hold', 'update grants set reserved = 1 where number = 2'],
    ['held credit that nothing reserved', 'update balances set held = 1 where posted > 0'],
    ['a wrong book', "update entries set book = 'breakage' where number = 4"],
    ['a wrong category', "update entries set category = 'promotional' where number = 4"],
    ['overdraft that no entry moved', 'update balances set overdraft_used = 1 where posted > 0'],
    [
      'a charge by a key that is not there',
      'update operations set api_key_id = gen_random_uuid() where number = 4',
    ],
  ])('catches %s', async (_, text) => {
    await corrupt(text);
    const { problem } = await verify(db.database);
    expect(problem).not.toBeNull();
    expect(problem?.account).toBe(/lost account/.test(_) ? account.id : account.publicId);
  });
});
