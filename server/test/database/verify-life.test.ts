import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { createApiKey } from '../../src/auth/api-keys.ts';
import { type Account, changeAccount } from '../../src/ledger/accounts/accounts.ts';
import { clearSpendLimit, setSpendLimit } from '../../src/ledger/accounts/spend-limits.ts';
import { rollUp } from '../../src/ledger/history/usage.ts';
import { LOCAL, type Operation, type Outcome } from '../../src/ledger/operations/operations.ts';
import { VERIFY_BOUNDS, verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { chanceOf } from './life.ts';
import { digest, grantOf, newAccount, useLedger } from './rig.ts';

/** No false alarms: `verify` runs again and again while the ledger books random operations. */

const db = useDatabase();
const rig = useLedger(db.database);

const ACCOUNTS = 6;
const CLIENTS = 24;
const OPERATIONS = 4_000;
/** Makes most accounts large, with a rollup somewhere in the middle of each. */
const SMALL_BOUNDS = { mostAccounts: 3, mostOperations: 40n };
const SOME = { shortestTail: 1n, chunk: 23n, mostOperations: 200n, mostAccounts: 3 };
const NEW_GRANT = { category: 'paid', priority: 50, effectiveAt: null, expiresAt: null } as const;

/** An account with the ids that its clients remember. */
interface Lived {
  readonly account: Account;
  readonly keys: readonly string[];
  readonly holds: bigint[];
  readonly charges: bigint[];
  readonly grants: bigint[];
}

const lives: Lived[] = [];
const outcomes: Outcome[] = [];
let done = 0;

const PERIODS = ['day', 'month', 'total'] as const;

async function begin(): Promise<Lived> {
  const account = await newAccount(db.database);
  await changeAccount(db.database, account.publicId, { overdraftLimit: 30n });
  for (const name of ['a', 'b']) {
    await createApiKey(db.database, account.id, { name, scopes: ['search'], expiresAt: null });
  }
  const keys = await db.query<{ id: string }>('select id from api_keys where account_id = $1', [
    account.id,
  ]);
  return { account, keys: keys.map(({ id }) => id), holds: [], charges: [], grants: [] };
}

/** One random operation, in the form in which HTTP routes submit it. */
function anyOperation(chance: (below: number) => number, lived: Lived): Operation {
  const { account, keys, holds, charges, grants } = lived;
  const amount = BigInt(1 + chance(60));
  const common = {
    account: account.id,
    accountPublicId: account.publicId,
    actor: LOCAL,
    idempotencyDigest: digest(randomUUID()),
    fingerprint: digest('payload'),
    description: null,
    metadata: null,
  };
  const call = JSON.stringify({ route: 'search', quantities: { calls: '1', pages: '0.5' } });
  const priced = chance(2) === 0 ? { call } : {};
  const apiKeyId = [...keys, null][chance(3)] ?? null;
  const spend = { ...common, amount, scope: 'search', apiKeyId, keySecret: null, ...priced };
  const soon = Date.now() + chance(700);
  const terms = [
    { expiresAt: soon },
    { effectiveAt: soon, expiresAt: soon + chance(500) + 1 },
    { effectiveAt: soon },
    { appliesTo: ['search'], priority: chance(100) },
  ][chance(5)];
  const hold = holds.splice(chance(holds.length), 1)[0];
  const charge = charges[chance(charges.length)];
  const choices: (Operation | undefined)[] = [
    { kind: 'charge', ...spend },
    { kind: 'hold', ...spend, expiresInMs: 1_000 + chance(2) * 60_000 },
    hold === undefined ? undefined : { kind: 'capture', hold, ...common, ...priced, amount },
    hold === undefined ? undefined : { kind: 'hold_void', hold, ...common },
    charge === undefined
      ? undefined
      : { kind: 'reversal', charge, ...common, amount: chance(2) === 0 ? null : 1n },
    grantOf(account, 4n * amount, { terms: { ...NEW_GRANT, appliesTo: null, ...terms } }),
    { kind: 'adjustment', ...common, amount, category: 'promotional', allowNegative: false },
    { kind: 'adjustment', ...common, amount: -amount, category: 'paid', allowNegative: true },
    { kind: 'grant_void', grant: grants[chance(grants.length)] ?? 1n, ...common },
    { kind: 'grant_extension', grant: grants.at(-1) ?? 1n, expiresAt: soon + 400, ...common },
    { kind: 'advance', ...common },
  ];
  const weights = [0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10];
  return choices[weights[chance(weights.length)] ?? 0] ?? { kind: 'charge', ...spend };
}

async function live(seed: number): Promise<void> {
  const chance = chanceOf(seed);
  for (; done < OPERATIONS; done += 1) {
    // The first account is the busiest.
    const lived = lives[Math.min(chance(lives.length), chance(lives.length))] as Lived;
    const operation = anyOperation(chance, lived);
    const outcome = await rig.ledger.submit(operation, () => true);
    outcomes.push(outcome);
    if (outcome.kind === 'recorded') remember(lived, outcome.receipt);
    if (chance(60) === 0) await limit(chance, lived);
  }
}

function remember({ holds, charges, grants }: Lived, receipt: { kind: string; number: bigint }) {
  if (receipt.kind === 'hold') holds.push(receipt.number);
  if (receipt.kind === 'grant') grants.push(receipt.number);
  if (receipt.kind === 'charge' || receipt.kind === 'capture') charges.push(receipt.number);
}

/** Sets or removes a limit, also in the middle of its period. */
async function limit(chance: (below: number) => number, { account, keys }: Lived): Promise<void> {
  const period = PERIODS[chance(3)] ?? 'day';
  const key = { account: account.id, apiKeyId: [...keys, null][chance(3)] ?? null, period };
  if (chance(4) === 0) await clearSpendLimit(db.database, key);
  else await setSpendLimit(db.database, key, 1_000_000n);
}

beforeAll(async () => {
  for (let made = 0; made < ACCOUNTS; made += 1) lives.push(await begin());
});

test('random operations are sound at every moment and afterwards, with any bounds', async () => {
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, seed) => live(seed)));
  let after: Account['id'] | null = null;
  for (let looks = 0; done < OPERATIONS; looks += 1) {
    ({ after } = await rollUp(db.database, after, SOME));
    const bounds = looks % 2 === 0 ? SMALL_BOUNDS : VERIFY_BOUNDS;
    const { problem, operations } = await verify(db.database, {}, bounds);
    expect(problem).toBeNull();
    expect(operations).toBeGreaterThanOrEqual(0);
    if (looks % 3 === 0) lives.push(await begin());
  }
  await clients;
  const [kinds] = await db.query<{ missing: string[] | null }>(`
    select array_agg(kind) as missing from unnest(enum_range(null::operation_kind)) as kind
    where not exists (select from operations o where o.kind = kind)`);
  expect(kinds?.missing).toBeNull();
  expect(outcomes.filter(({ kind }) => kind === 'failed')).toEqual([]);
  const usage = await db.query('select from usage_quantities');
  expect(usage.length).toBeGreaterThan(5);
  for (const bounds of [SMALL_BOUNDS, VERIFY_BOUNDS]) {
    expect((await verify(db.database, {}, bounds)).problem).toBeNull();
  }
});

test('an event that is due and not written yet is sound, and so is the row that is then written', async () => {
  const isDue = 'next_due_at <= clock_timestamp()';
  await expect.poll(() => db.query(`select from balances where ${isDue}`)).not.toHaveLength(0);
  expect((await verify(db.database, {}, SMALL_BOUNDS)).problem).toBeNull();
  await Promise.all(lives.map(({ account }) => rig.ledger.advance(account.id)));
  expect((await verify(db.database, {}, SMALL_BOUNDS)).problem).toBeNull();
});

test('operations of a node of the previous release are sound, late expiries too', async () => {
  const { account } = lives[0] as Lived;
  // The first half of its operations gets no actor.
  await db.query(
    `update operations o set actor = null, actor_id = null
     where at <= (select at from operations m where m.account_id = o.account_id
                  order by number offset (select last_number / 2 from balances b
                                          where b.account_id = o.account_id) limit 1)`,
  );
  expect((await verify(db.database, {}, SMALL_BOUNDS)).problem).toBeNull();
  // An older node forgot this hold: it booked a later charge before the hold's expiry.
  const own = await begin();
  const { account: forgetful } = own;
  await rig.ledger.submit(grantOf(forgetful, 100n), () => true);
  const spend = { scope: null, apiKeyId: null, keySecret: null, description: null, metadata: null };
  const hold = await rig.ledger.submit(
    { ...grantOf(forgetful, 5n), ...spend, kind: 'hold', expiresInMs: 1_000 },
    () => true,
  );
  if (hold.kind !== 'recorded') throw new Error(hold.kind);
  await db.query('update balances set next_due_at = null where account_id = $1', [forgetful.id]);
  const expiry = hold.receipt.expiresAt ?? 0;
  await expect.poll(() => Date.now()).toBeGreaterThan(expiry + 5);
  const charge = { ...grantOf(forgetful, 1n), ...spend, kind: 'charge' } as const;
  await rig.ledger.submit(charge, () => true);
  await db.query(
    `update balances b set next_due_at = (select min(expires_at) from holds h
                                          where h.account_id = b.account_id)
     where account_id = $1`,
    [forgetful.id],
  );
  await rig.ledger.advance(forgetful.id);
  expect((await verify(db.database, { only: forgetful.publicId })).problem?.details).toMatch(
    /\(hold_expiry\) of operation 2/,
  );
  await db.query(`update operations set actor = null where account_id = $1 and kind = 'charge'`, [
    forgetful.id,
  ]);
  expect((await verify(db.database, { only: forgetful.publicId })).problem).toBeNull();
  expect((await verify(db.database, { only: account.publicId })).problem).toBeNull();
});
