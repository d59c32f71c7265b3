import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Operation } from '../../src/ledger/operations/operations.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { useClock } from './clock.ts';
import { chargeOf, grantOf, newAccount, useLedger, wanted } from './rig.ts';

const db = useDatabase();
const clock = useClock(db);
const rig = useLedger(db.database);
const submit = (operation: Operation) => rig.ledger.submit(operation, wanted);

const MIGRATION = new URL('../../migrations/0008_next_due.sql', import.meta.url);

test('the migration finds holds and grants that were forgotten, and leaves the others alone', async () => {
  const start = Date.now();
  await clock.set(start);
  const accounts = [await newAccount(db.database), await newAccount(db.database)] as const;
  const [forgotten, sound] = accounts;
  const terms = {
    category: 'paid',
    priority: 50,
    effectiveAt: null,
    expiresAt: start + 3_000,
    appliesTo: null,
  } as const;
  for (const account of accounts) {
    await submit(grantOf(account, 5n, { terms }));
    await submit({ ...chargeOf(account), kind: 'hold', expiresInMs: 2_000 } as Operation);
  }
  await db.query('update balances set next_due_at = null where account_id = $1', [forgotten.id]);
  expect((await verify(db.database)).problem).not.toBeNull();
  await db.query(readFileSync(MIGRATION, 'utf8'));
  const rows = await db.query<{ next_due_at: Date }>('select next_due_at from balances');
  expect(rows.map((row) => row.next_due_at.getTime())).toEqual([start + 2_000, start + 2_000]);
  await clock.set(start + 5_000);
  for (const { id } of [forgotten, sound]) {
    await rig.ledger.advance(id);
    const kinds = await db.query<{ kind: string }>(
      'select kind from operations where account_id = $1 order by number',
      [id],
    );
    expect(kinds.map(({ kind }) => kind)).toEqual(['grant', 'hold', 'hold_expiry', 'grant_end']);
  }
  expect((await verify(db.database)).problem).toBeNull();
});
