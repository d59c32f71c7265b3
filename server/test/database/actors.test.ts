import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { createOperatorKey, listOperatorKeys } from '../../src/auth/operator-keys.ts';
import type { Account } from '../../src/ledger/accounts/accounts.ts';
import { findCharge, findReceipt } from '../../src/ledger/history/lists.ts';
import {
  type ActorKind,
  KINDS,
  type KindFacts,
  type OperationKind,
} from '../../src/ledger/operations/kinds.ts';
import { GATEWAY, LOCAL } from '../../src/ledger/operations/operations.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import { useDatabase } from '../postgres.ts';
import { liveOneDay } from './day.ts';
import { chargeOf, digest, newAccount, useLedger } from './rig.ts';

/** The actor in the row of an operation. */

const db = useDatabase();
const rig = useLedger(db.database);
let account: Account;

beforeAll(async () => {
  account = await liveOneDay(db, rig.ledger);
});

test('the sweeper is the actor of all that becomes due or follows from it, whoever books it', async () => {
  const rows = await db.query<{ kind: string; actors: string[] }>(
    `select kind, array_agg(distinct actor::text) as actors from operations
     where account_id = $1 and kind in ('grant_start', 'grant_end', 'hold_expiry') group by kind`,
    [account.id],
  );
  expect(Object.fromEntries(rows.map(({ kind, actors }) => [kind, actors]))).toEqual({
    grant_start: ['sweeper'],
    grant_end: ['sweeper'],
    hold_expiry: ['sweeper'],
  });
});

test('any other operation has the actor of its request; an overage has its capture’s', async () => {
  const rows = await db.query<{ actor: string | null; actor_id: string | null }>(
    `select distinct actor, actor_id from operations
     where account_id = $1 and kind not in ('grant_start', 'grant_end', 'hold_expiry')`,
    [account.id],
  );
  expect(rows).toEqual([{ actor: LOCAL.kind, actor_id: null }]);
});

test('an operator key is stored with its operation, and read back with it', async () => {
  await createOperatorKey(db.database, { name: 'A', scopes: null, expiresAt: null });
  const [{ id } = { id: '' }] = (await listOperatorKeys(db.database, { limit: 1 })).items;
  const actor = { kind: 'operator_key', id } as const;
  const outcome = await rig.ledger.submit(chargeOf(account, { actor }), () => true);
  if (outcome.kind !== 'recorded') throw new Error(outcome.kind);
  const { receipt } = outcome;
  expect(receipt.actor).toEqual(actor);
  expect((await findCharge(db.database, receipt))?.receipt).toEqual(receipt);
});

test('a customer’s key is not stored twice, unless it is not the operation’s own', async () => {
  const [key] = await db.query<{ id: string }>('select id from api_keys');
  const own = { kind: 'api_key', id: key?.id ?? '' } as const;
  const other = { kind: 'api_key', id: randomUUID() } as const;
  for (const [actor, kept] of [
    [own, null],
    [other, other.id],
  ] as const) {
    const charge = chargeOf(account, { actor, apiKeyId: own.id });
    const outcome = await rig.ledger.submit(charge, () => true);
    if (outcome.kind !== 'recorded') throw new Error(outcome.kind);
    const { number } = outcome.receipt;
    const [row] = await db.query<{ actor_id: string | null }>(
      'select actor_id from operations where account_id = $1 and number = $2',
      [account.id, number],
    );
    expect(row?.actor_id).toBe(kept);
    expect((await findCharge(db.database, outcome.receipt))?.receipt.actor).toEqual(actor);
  }
});

test('a node of the previous release appends beside it, and its operations have no actor', async () => {
  const own = await newAccount(db.database);
  const values = [own.id, digest(randomUUID())];
  await db.query(
    `insert into operations (account_id, number, kind, at, amount, available_after, scope, api_key_id,
                             description, metadata, idempotency_digest, fingerprint, subject,
                             expires_at, remaining_after, call)
     values ($1, 1, 'charge', date_trunc('milliseconds', now()), 0, 0, null, null, null, null, $2, $2,
             null, null, null, null)`,
    values,
  );
  await db.query(
    `update balances set last_number = 1,
       last_at = (select at from operations where account_id = $1) where account_id = $1`,
    [own.id],
  );
  const receipt = await findReceipt(db.database, { account: own.id, number: 1n }, 'charge');
  expect(receipt?.actor).toBeNull();
  const charge = chargeOf(own, { actor: GATEWAY, amount: 0n });
  const after = await rig.ledger.submit(charge, () => true);
  expect(after).toMatchObject({ receipt: { number: 2n, actor: GATEWAY } });
  expect((await verify(db.database, { only: own.publicId })).problem).toBeNull();
});

test('nobody does an operation that the table of kinds does not let them do', async () => {
  const rows = await db.query<{ kind: OperationKind; actor: ActorKind }>(
    'select distinct kind, actor from operations where actor is not null',
  );
  expect(new Set(rows.map(({ actor }) => actor))).toContain('gateway');
  const isAllowed = ({ kind, actor }: (typeof rows)[number]) =>
    (KINDS[kind] as KindFacts).actors.includes(actor);
  expect(rows.filter((row) => !isAllowed(row))).toEqual([]);
});
