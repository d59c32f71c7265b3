import { beforeAll, describe, expect, test } from 'vitest';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { useCorruption } from './corruption.ts';
import { liveOneDay } from './day.ts';
import { newAccount, useLedger } from './rig.ts';

const db = useDatabase();
const rig = useLedger(db.database);
let account: Account;
let empty: Account;

beforeAll(async () => {
  empty = await newAccount(db.database);
  account = await liveOneDay(db, rig.ledger);
});

const corrupt = useCorruption(db);

/** A subquery for the number of the first operation of a kind. */
const first = (kind: string) =>
  `(select min(number) from operations where kind = '${kind}' and number > 1)`;

describe('verify', () => {
  test('finds that sound books add up, with operations of every kind', async () => {
    const [kinds] = await db.query<{ missing: string[] | null }>(`
      select array_agg(kind) as missing from unnest(enum_range(null::operation_kind)) as kind
      where not exists (select from operations o where o.kind = kind)`);
    expect(kinds?.missing).toBeNull();
    const [counts] = await db.query<{ operations: string; entries: string }>(
      'select (select count(*) from operations) as operations, count(*) as entries from entries',
    );
    expect(await verify(db.database)).toEqual({
      accounts: 2,
      operations: Number(counts?.operations),
      entries: Number(counts?.entries),
      problem: null,
      provedTo: null,
    });
  });

  test('looks at one account, or goes on after one', async () => {
    const ids = [account, empty].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const [{ publicId: before } = { publicId: '' }] = ids;
    expect(await verify(db.database, { after: before })).toMatchObject({ accounts: 1 });
    expect(await verify(db.database, { only: empty.publicId })).toMatchObject({
      accounts: 1,
      operations: 0,
    });
    await corrupt('update balances set posted = posted + 1 where posted > 0');
    expect((await verify(db.database, { only: empty.publicId })).problem).toBeNull();
    expect((await verify(db.database, { only: account.publicId })).problem).not.toBeNull();
    await expect(verify(db.database, { only: 'nobody' })).rejects.toThrow('nobody');
  });

  test.each([
    ['a balance that is off by one', 'update balances set posted = posted + 1 where posted > 0'],
    ['a lost balance row', 'delete from balances where posted > 0'],
    [
      'a lost account',
      'delete from accounts where id = (select account_id from balances where posted > 0)',
    ],
    ['a changed entry', 'update entries set amount = amount - 1 where number = 9 and line = 1'],
    ['a lost entry', 'delete from entries where number = 9 and line = 2'],
    ['a lost operation', 'delete from operations where number = 11'],
    [
      'a lost last operation',
      'delete from operations where number = (select max(number) from operations)',
    ],
    ['entries of no operation', 'delete from operations where number = 9'],
    ['a changed charge', 'update operations set amount = amount + 1 where number = 9'],
    ['a changed hold', `update operations set amount = amount + 9 where number = ${first('hold')}`],
    [
      'a capture above its hold',
      `update operations set amount = 1
       where number = (select min(subject) from operations where kind = 'capture')`,
    ],
    [
      'a running sum that is off',
      'update entries set posted_after = posted_after + 1 where number = 2 and line = 1',
    ],
    [
      'an instant that goes back',
      "update operations set at = at - interval '1 hour' where number = 2",
    ],
    [
      'a last instant that is off',
      "update balances set last_at = last_at + interval '1 s' where posted > 0",
    ],
    ['a last number that is off', 'update balances set last_number = 0 where posted > 0'],
    ['a line out of its place', 'update entries set line = 3 where number = 9 and line = 2'],
    [
      'a grant with too much left',
      'update grants set remaining = remaining + 1 where remaining between 1 and amount - 1 and ended_at is null',
    ],
    [
      'a grant that is used up though it is not',
      'update grants set remaining = 0, reserved = 0, live = false where number = 2',
    ],
    ['a grant with another amount', 'update grants set amount = amount + 1 where number = 2'],
    ['a lost grant', 'delete from grants where number = 5'],
    [
      'a grant that is not of its operation',
      'update grants set priority = 1, number = 9 where number = 5',
    ],
    ['a grant of another book', "update grants set book = 'adjustment' where number = 2"],
    [
      'a grant that has ended by itself too early',
      `update grants set ended_at = ended_at - interval '1 day' where number = 4`,
    ],
    ['a void that was not', `update grants set ended_by = 'expiry' where number = 5`],
    [
      'an expiry that nobody set',
      `update grants set expires_at = now() + interval '9 years' where number = 7`,
    ],
    [
      'a grant that was not started',
      `update grants set started = false, effective_at = now() + interval '1 day' where number = 5`,
    ],
    ['a lost open hold', 'delete from holds'],
    ['an open hold of another amount', 'update holds set amount = amount + 1'],
    ['an open hold of another expiry', "update holds set expires_at = expires_at + interval '1 s'"],
    [
      'an open hold that has ended',
      `insert into holds select account_id, number, amount, expires_at, '{2}', array[amount]
       from operations where number = ${first('hold')}`,
    ],
    ['a hold that reserves of another grant', "update holds set grants = '{20}'"],
    ['a reservation without a hold', 'update grants set reserved = 1 where number = 20'],
    ['held credit that nothing reserved', 'update balances set held = held + 1 where posted > 0'],
    ['a number of holds that is off', 'update balances set open_holds = 0 where posted > 0'],
    [
      'overdraft that no hold reserved',
      'update balances set overdraft_reserved = 1 where posted > 0',
    ],
    ['a wrong book', "update entries set book = 'breakage' where number = 9"],
    [
      'a wrong category',
      "update entries set category = 'promotional' where number = 2 and line = 1",
    ],
    ['overdraft that no entry moved', 'update balances set overdraft_used = 1 where posted > 0'],
    [
      'an operation by a key that is not there',
      'update operations set api_key_id = gen_random_uuid() where number = 9',
    ],
    ['a reversal of a grant', `update operations set subject = 2 where kind = 'reversal'`],
    ['a capture of a charge', `update operations set subject = 9 where kind = 'capture'`],
    [
      'a hold that ends twice',
      `update operations set subject = ${first('hold')} where kind = 'hold_expiry'`,
    ],
    [
      'an overage beside no capture',
      `update operations set subject = (select subject from operations where kind = 'hold_void')
       where kind = 'overage'`,
    ],
    [
      'a reversal of more than was paid',
      `update operations set subject = 9
       where number = (select max(number) from operations where kind = 'reversal')`,
    ],
    ['nothing due though something is', 'update balances set next_due_at = null where posted > 0'],
    [
      'a due time that is too late',
      "update balances set next_due_at = next_due_at + interval '1 year' where posted > 0",
    ],
    [
      'a limit that counted too much',
      "update spend_limits set used = used + 1 where period = 'total'",
    ],
    [
      'a limit that counted too little',
      "update spend_limits set used = used - 1 where period = 'month'",
    ],
    [
      'entries of no account',
      `insert into entries select gen_random_uuid(), number, line, amount, grant_number, category,
         book, posted_after from entries where number = 2 and line = 1`,
    ],
  ])('catches %s', async (name, text) => {
    await corrupt(text);
    const { problem } = await verify(db.database);
    expect(problem).not.toBeNull();
    if (/no account/.test(name)) return;
    expect(problem?.account).toBe(/lost account/.test(name) ? account.id : account.publicId);
  });

  test.each(['charge', 'hold', 'grant', 'adjustment'])(
    'catches a %s that is about another operation, without the CHECK too',
    async (kind) => {
      const check = 'operations_subject_matches_kind';
      const [kept] = await db.query<{ definition: string }>(
        'select pg_get_constraintdef(oid) as definition from pg_constraint where conname = $1',
        [check],
      );
      await db.query(`alter table operations drop constraint ${check}`);
      await corrupt(`update operations set subject = 1
                     where number = (select max(number) from operations where kind = '${kind}')`);
      const { problem } = await verify(db.database);
      await db.query(
        `alter table operations add constraint ${check} ${kept?.definition} not valid`,
      );
      expect(problem?.promise).toBe('each operation is about one that it can be about');
    },
  );
});
