import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { createOperatorKey } from '../../src/auth/operator-keys.ts';
import { verify } from '../../src/ledger/proof/verify.ts';
import type { TestDatabase } from '../postgres.ts';
import { type Attempt, attributesOf, call } from './client.ts';

/** Makes an operator key with every scope. Resolves with its secret. */
export async function newOperatorKey(db: Pick<TestDatabase, 'database'>): Promise<string> {
  const terms = { name: 'test', scopes: null, expiresAt: null };
  return (await createOperatorKey(db.database, terms)).secret;
}

/** Makes an account with a grant for each amount of cents. Resolves with its id. */
export async function newFundedAccount(
  url: string,
  key: string,
  grants: readonly string[],
): Promise<string> {
  const body = { kind: 'organization', name: 'Test' };
  const { id } = attributesOf(await call('POST', `${url}/v1/accounts`, { key, body }), 201);
  for (const amount of grants) {
    const idempotencyKey = randomUUID();
    const granted = await call('POST', `${url}/v1/accounts/${id}/grants`, {
      key,
      idempotencyKey,
      body: { amount },
    });
    attributesOf(granted, 201);
  }
  return String(id);
}

/**
 * Compares the ledger with the clients' journal. Every acknowledged operation is there once, no
 * refused or unknown one is there, and the books add up.
 */
export async function expectJournalInLedger(
  db: Pick<TestDatabase, 'database' | 'query'>,
  journal: readonly Attempt[],
): Promise<void> {
  const rows = await db.query<{ description: string; count: string }>(
    `select description, count(*) from operations
     where idempotency_digest is not null and description is not null group by description`,
  );
  const charged = new Map(rows.map(({ description, count }) => [description, Number(count)]));
  const asked = new Set(journal.map(({ idempotencyKey }) => idempotencyKey));
  const lost = journal.filter((a) => a.status === 201 && !charged.has(a.idempotencyKey));
  const wrong = journal.filter((a) => a.status >= 400 && charged.has(a.idempotencyKey));
  const doubled = [...charged].filter(([, count]) => count > 1);
  const strange = [...charged.keys()].filter((description) => !asked.has(description));
  expect({ lost, wrong, doubled, strange }).toEqual({
    lost: [],
    wrong: [],
    doubled: [],
    strange: [],
  });
  expect((await verify(db.database)).problem).toBeNull();
}
