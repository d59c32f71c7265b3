import type { QueryResultRow } from 'pg';
import type { Database, Sql, Statement } from '../../db/connection/database.ts';
import type { Command } from '../../db/connection/flush.ts';
import { type AccountId, accountIdOf } from '../operations/ids.ts';
import type { Category, Outcome, SpendOperation } from '../operations/operations.ts';
import type { AccountState } from '../rules/account-state.ts';
import { advance } from '../rules/advance.ts';
import { isInEffect } from '../rules/burn.ts';
import { decide } from '../rules/decide.ts';
import { newDecision, Posting } from '../rules/posting.ts';
import { namesIn, readFor, readRest } from './batch.ts';
import { ClockUnreliable } from './clock.ts';
import { addTo, type ReadAccount, statesOf } from './rows-to-state.ts';
import * as sql from './sql/state.ts';

/**
 * Reads accounts without a lock. An event that is due counts, though it may not be written yet (README
 * §2): the reads use the rows and the `advance` of the lane, and write nothing. While the database's clock
 * is not reliable, due events do not count.
 */

/** The balance of an account, in microcents; `available` is posted minus held, without overdraft. */
export interface Balance {
  readonly posted: bigint;
  readonly held: bigint;
  readonly available: bigint;
  readonly overdraftLimit: bigint;
  /** Sums up to `posted`. */
  readonly byCategory: Readonly<Record<Category | 'overdraft', bigint>>;
  readonly nextExpiry: { readonly at: number; readonly amount: bigint } | null;
}

/** The balance of an account now; undefined: the account does not exist. */
export async function readBalance(
  database: Database,
  publicId: string,
): Promise<Balance | undefined> {
  const account = accountIdOf(publicId);
  const state = (await readCurrent(database, [account])).get(account);
  return state?.publicId === publicId ? balanceOf(state) : undefined;
}

/** The states of the accounts that exist, by the account's id. */
export async function readCurrent(
  database: Database,
  accounts: readonly AccountId[],
): Promise<ReadonlyMap<string, AccountState>> {
  const read = await readAccounts(database, [
    [sql.readBalances, [accounts]],
    [sql.readLiveGrants, [accounts]],
  ]);
  return new Map(Array.from(read, ([id, account]) => [id, advanced(account)]));
}

/**
 * The outcome that a charge or hold would have now. `decide` judges it as in the lane, and nothing is
 * written; an operation in between may change the outcome of the real one. Throws ClockUnreliable.
 */
export async function foresee(database: Database, operation: SpendOperation): Promise<Outcome> {
  const commands = readFor([operation], namesIn([operation]));
  const account = (await readAccounts(database, commands)).get(operation.account);
  if (!account) return { kind: 'refused', refusal: { code: 'account_not_found' }, available: null };
  if (account.fault) throw new ClockUnreliable();
  const [outcome] = decide(account.state, [operation], account.now).outcomes;
  if (!outcome) throw new Error('bug: decide gave an operation no outcome');
  return outcome;
}

/** Runs the commands, and those of `readRest`, in one snapshot. */
function readAccounts(database: Database, commands: readonly Command[]) {
  return database.transaction(async (tx) => {
    await tx.rows(sql.snapshot);
    const answers = await ask(tx, commands);
    const read = statesOf(answers);
    addTo(read, await ask(tx, readRest(read, answers)));
    return read;
  });
}

function advanced({ state, now, fault }: ReadAccount): AccountState {
  if (!fault) advance(new Posting(state, newDecision()), now);
  return state;
}

async function ask(tx: Sql, commands: readonly Command[]) {
  const answers = new Map<Statement, QueryResultRow[]>();
  for (const [statement, values] of commands) {
    answers.set(statement, await tx.rows(statement, values));
  }
  return answers;
}

function balanceOf(state: AccountState): Balance {
  const byCategory = { paid: 0n, promotional: 0n, overdraft: -state.overdraftUsed };
  let nextExpiry: { at: number; amount: bigint } | null = null;
  for (const grant of state.grants) {
    const { category, remaining, expiresAt: at } = grant;
    if (grant.started) byCategory[category] += remaining;
    if (!isInEffect(grant) || at === null || remaining === 0n) continue;
    if (nextExpiry === null || at < nextExpiry.at) nextExpiry = { at, amount: remaining };
    else if (at === nextExpiry.at) nextExpiry.amount += remaining;
  }
  const { posted, held, overdraftLimit } = state;
  return { posted, held, available: posted - held, overdraftLimit, byCategory, nextExpiry };
}
