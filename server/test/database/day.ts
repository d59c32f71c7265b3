import { randomUUID } from 'node:crypto';
import { createApiKey, listApiKeys } from '../../src/auth/api-keys.ts';
import { type Account, changeAccount } from '../../src/ledger/accounts/accounts.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { LOCAL, type Operation, type Outcome } from '../../src/ledger/operations/operations.ts';
import type { TestDatabase } from '../postgres.ts';
import { digest, grantOf, newAccount } from './rig.ts';

const TERMS = { category: 'paid', priority: 50, effectiveAt: null, expiresAt: null } as const;

/** Gives a new account every kind of operation, through the ledger. Some become due later. */
export async function liveOneDay(db: TestDatabase, ledger: Ledger): Promise<Account> {
  const account = await newAccount(db.database);
  await changeAccount(db.database, account.publicId, { overdraftLimit: 20n });
  const terms = { name: null, scopes: ['search'], expiresAt: null };
  await createApiKey(db.database, account.id, terms);
  const [key] = (await listApiKeys(db.database, account.id, { limit: 1 })).items;
  await db.query(
    `insert into spend_limits (account_id, holder, period, amount, used, period_start)
     values ($1, $1, 'total', 100000, 0, 'epoch'), ($1, $2, 'month', 90000, 0, 'epoch')`,
    [account.id, key?.id],
  );
  const submit = async (change: object): Promise<bigint> => {
    const outcome: Outcome = await ledger.submit(
      {
        account: account.id,
        accountPublicId: account.publicId,
        actor: LOCAL,
        idempotencyDigest: digest(randomUUID()),
        fingerprint: digest('payload'),
        description: null,
        metadata: null,
        ...change,
      } as Operation,
      () => true,
    );
    if (outcome.kind !== 'recorded') throw new Error(JSON.stringify(outcome, replacer));
    return outcome.receipt.number;
  };
  const spend = { scope: 'search', apiKeyId: key?.id ?? null, keySecret: null };
  const charge = (amount: bigint) => submit({ kind: 'charge', amount, ...spend });
  const hold = (amount: bigint, expiresInMs = 3_600_000) =>
    submit({ kind: 'hold', amount, expiresInMs, ...spend });
  const grant = (amount: bigint, change: object) =>
    submit(grantOf(account, amount, { terms: { ...TERMS, appliesTo: null, ...change } }));
  // Late enough that nothing becomes due before the last numbered operation.
  const soon = Date.now() + 2_500;

  await charge(5n); // 1: the overdraft pays
  await grant(100n, {}); // 2: repays it
  await grant(40n, { category: 'promotional', priority: 10, appliesTo: ['search'] }); // 3
  await grant(9n, { effectiveAt: soon, expiresAt: soon + 60 }); // 4: starts and ends by itself
  const voided = await grant(11n, { priority: 0 }); // 5
  await submit({ kind: 'grant_void', grant: voided }); // 6
  const extended = await grant(12n, { priority: 0, expiresAt: soon }); // 7
  const longer = soon + 3_600_000;
  await ledger.submit(
    {
      kind: 'grant_extension',
      account: account.id,
      accountPublicId: null,
      actor: LOCAL,
      grant: extended,
      expiresAt: longer,
    },
    () => true,
  ); // 8
  const charged = await charge(30n); // 9: of grants 7 and 3
  await submit({ kind: 'reversal', charge: charged, amount: 20n }); // 10
  await submit({ kind: 'hold_void', hold: await hold(7n) }); // 11, 12
  await submit({ kind: 'capture', hold: await hold(15n), amount: 8n }); // 13, 14
  await submit({ kind: 'capture', hold: await hold(6n), amount: 9n }); // 15, 16, and 17: an overage
  await hold(4n); // 18: stays open
  await hold(3n, 2_000); // 19: expires
  const holdExpired = Date.now() + 2_000;
  const adjust = { kind: 'adjustment', allowNegative: false };
  await submit({ ...adjust, amount: 25n, category: 'promotional' }); // 20
  await submit({ ...adjust, amount: -5n, category: 'paid' }); // 21
  const end = Math.max(soon + 250, holdExpired);
  await grant(10n, { priority: 0, expiresAt: end }); // 22: used up
  const spent = await charge(10n); // 23
  while (Date.now() <= end) await ledger.advance(account.id);
  await submit({ kind: 'reversal', charge: spent, amount: null }); // into a grant that has ended
  return account;
}

function replacer(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}
