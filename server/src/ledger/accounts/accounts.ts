import type { Database, Sql } from '../../db/connection/database.ts';
import { type Page, pageOf } from '../../db/page.ts';
import { believedInstantOf } from '../lane/clock.ts';
import { type AccountId, accountIdOf, newAccountPublicId } from '../operations/ids.ts';
import * as sql from './sql/accounts.ts';

export type AccountKind = sql.AccountRow['kind'];
export type AccountStatus = sql.AccountRow['status'];

/** A billing entity whose credit is spent. */
export interface Account {
  readonly id: AccountId;
  readonly publicId: string;
  /** The operator's own id for it; unique if given. */
  readonly externalId: string | null;
  readonly kind: AccountKind;
  readonly name: string;
  readonly status: AccountStatus;
  readonly overdraftLimit: bigint;
  readonly createdAt: number;
}

/** A new account; without a public id it gets a random one. */
export interface NewAccount {
  readonly kind: AccountKind;
  readonly name: string;
  readonly externalId: string | null;
  /** Must have the form `ACCOUNT_PUBLIC_ID`. */
  readonly publicId?: string | undefined;
}

/** The result of a creation. */
export type AccountCreation =
  | { readonly created: Account }
  /** The account that already has the external id. */
  | { readonly existing: Account }
  /** The account that already has the public id, or its first half. */
  | { readonly inTheWay: Account };

/**
 * Makes an account, in the caller's transaction. If both its ids are taken, it returns the account with
 * the external id. Throws ClockUnreliable: an account that is made in the future could do nothing until
 * then.
 */
export async function createAccount(
  on: Sql,
  { kind, name, externalId, publicId = newAccountPublicId() }: NewAccount,
): Promise<AccountCreation> {
  const id = accountIdOf(publicId);
  const values = [id, publicId, externalId, kind, name];
  const [inserted] = await on.rows<{ created_at: number }>(sql.insertAccount, values);
  if (!inserted) return whatIsInTheWay(on, id, externalId);
  believedInstantOf({ clock: inserted.created_at, lastAt: Number.NEGATIVE_INFINITY });
  const created: Account = {
    id,
    publicId,
    externalId,
    kind,
    name,
    status: 'active',
    overdraftLimit: 0n,
    createdAt: inserted.created_at,
  };
  return { created };
}

async function whatIsInTheWay(
  on: Sql,
  id: AccountId,
  externalId: string | null,
): Promise<AccountCreation> {
  const [existing] = await on.rows<sql.AccountRow>(sql.findAccountByExternalId, [externalId]);
  if (existing) return { existing: accountOf(existing) };
  const [inTheWay] = await on.rows<sql.AccountRow>(sql.findAccountById, [id]);
  if (!inTheWay)
    throw new Error('bug: an insert found a conflict with an account that cannot be read');
  return { inTheWay: accountOf(inTheWay) };
}

export async function findAccount(on: Sql, publicId: string): Promise<Account | undefined> {
  const [row] = await on.rows<sql.AccountRow>(sql.findAccount, [publicId]);
  return row && accountOf(row);
}

/** Accounts, newest first; with an external id, the one that has it. */
export async function listAccounts(
  on: Sql,
  page: { limit: number; before?: AccountId; externalId?: string },
): Promise<Page<Account>> {
  const rows =
    page.externalId === undefined
      ? await on.rows<sql.AccountRow>(sql.listAccounts, [page.before ?? null, page.limit + 1])
      : await on.rows<sql.AccountRow>(sql.findAccountByExternalId, [page.externalId]);
  return pageOf(rows.map(accountOf), page.limit);
}

/**
 * Changes an account under its lock (README §8). Once it has resolved, no decision on the old status or
 * overdraft limit can commit. Undefined: the account does not exist.
 */
export async function changeAccount(
  database: Database,
  publicId: string,
  change: { name?: string; status?: AccountStatus; overdraftLimit?: bigint },
): Promise<Account | undefined> {
  return database.transaction(async (tx) => {
    const account = await findAccount(tx, publicId);
    if (!account) return undefined;
    await lockBalance(tx, account.id);
    await tx.rows(sql.changeAccount, [account.id, change.name ?? null, change.status ?? null]);
    if (change.overdraftLimit !== undefined) {
      await tx.rows(sql.changeOverdraftLimit, [account.id, change.overdraftLimit]);
    }
    return findAccount(tx, publicId);
  });
}

/**
 * Locks an account until the end of the transaction. A change of facts that decisions rest on (status,
 * keys, limits) takes this lock first. A lane that wants to decide waits, and reads the new facts.
 */
export async function lockBalance(tx: Sql, account: AccountId): Promise<void> {
  await tx.rows(sql.lockBalance, [account]);
}

function accountOf(row: sql.AccountRow): Account {
  return {
    id: row.id as AccountId,
    publicId: row.public_id,
    externalId: row.external_id,
    kind: row.kind,
    name: row.name,
    status: row.status,
    overdraftLimit: row.overdraft_limit,
    createdAt: row.created_at,
  };
}
