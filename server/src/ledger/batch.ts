import type { QueryResultRow } from 'pg';
import type { Statement } from '../db/database.ts';
import type { Command } from '../db/pipeline.ts';
import {
  type AccountState,
  type Decision,
  decide,
  type Grant,
  inBurnOrder,
  type KeyFacts,
  type OperatorKeyFacts,
} from './decide.ts';
import type { AccountId } from './ids.ts';
import type { Digest, Operation, Outcome, Receipt } from './operations.ts';
import { receiptOf } from './receipts.ts';
import * as sql from './sql/lane.ts';
import type { ReceiptRow } from './sql/receipts.ts';

/**
 * What a lane sends for one batch, and what it makes of the answers. The order of the commands is the
 * ledger's exactness: lock, read in later statements, write.
 */

/** The accounts and operator keys of a batch, each once. */
export interface BatchNames {
  readonly accounts: readonly AccountId[];
  readonly operatorKeys: readonly string[];
}

export function namesIn(operations: readonly Operation[]): BatchNames {
  const operatorKeys = new Set<string>();
  const accounts = new Set<AccountId>();
  for (const operation of operations) {
    accounts.add(operation.account);
    if (operation.operatorKeyId !== null) operatorKeys.add(operation.operatorKeyId);
  }
  return { accounts: [...accounts], operatorKeys: [...operatorKeys].sort() };
}

/**
 * Locks the batch's accounts and reads all that `decide` needs, in one flush. What no operation of the
 * batch needs is not asked for.
 */
export function lockAndRead(
  operations: readonly Operation[],
  names: BatchNames,
  skipLocked: boolean,
): Command[] {
  const apiKeys = new Set<string>();
  for (const operation of operations) {
    if (operation.kind === 'charge' && operation.apiKeyId !== null) apiKeys.add(operation.apiKeyId);
  }
  const { accounts, operatorKeys } = names;
  const known = [
    operations.map((operation) => operation.account),
    operations.map((operation) => operation.idempotencyDigest),
  ];
  return [
    [sql.begin],
    ...when(operatorKeys.length > 0, [sql.lockOperatorKeys, [operatorKeys]]),
    [skipLocked ? sql.lockFreeBalances : sql.lockBalances, [accounts]],
    [sql.readBalances, [accounts]],
    [sql.readLiveGrants, [accounts]],
    [sql.readKnown, known],
    ...when(apiKeys.size > 0, [sql.readKeys, [[...apiKeys]]]),
    ...when(operatorKeys.length > 0, [sql.readOperatorKeys, [operatorKeys]]),
  ];
}

function when(isNeeded: boolean, command: Command): readonly Command[] {
  return isNeeded ? [command] : [];
}

/** What `lockAndRead` answered: the state of each account that exists, and of those, which are locked. */
export interface Facts {
  readonly states: ReadonlyMap<string, { readonly state: AccountState; readonly now: number }>;
  readonly locked: ReadonlySet<string>;
}

/** The rows that the commands of a flush answered, by their statement. */
export type Answers = ReadonlyMap<Statement, readonly QueryResultRow[]>;

/** Makes the facts of what the commands of `lockAndRead` answered. */
export function factsOf(answers: Answers): Facts {
  const rows = <Row>(statement: Statement) =>
    (answers.get(statement) ?? []) as unknown as readonly Row[];
  const locked = [sql.lockBalances, sql.lockFreeBalances].flatMap((statement) =>
    rows<{ account_id: string }>(statement),
  );
  const keyFacts = new Map(
    rows<sql.KeyFactsRow>(sql.readKeys).map((row) => [row.id, keyFactsOf(row)]),
  );
  const operatorKeyFacts = new Map(
    rows<sql.OperatorKeyFactsRow>(sql.readOperatorKeys).map((row): [string, OperatorKeyFacts] => [
      row.id,
      { expiresAt: row.expires_at, revokedAt: row.revoked_at },
    ]),
  );
  const states = new Map<string, { state: AccountState; now: number }>();
  for (const row of rows<sql.BalanceRow>(sql.readBalances)) {
    const state: AccountState = {
      account: row.account_id as AccountId,
      publicId: row.public_id,
      status: row.status,
      overdraftLimit: row.overdraft_limit,
      overdraftUsed: row.overdraft_used,
      posted: row.posted,
      held: row.held,
      lastNumber: row.last_number,
      lastAt: row.last_at,
      grants: [],
      known: new Map<Digest, Receipt>(),
      keys: keyFacts,
      operatorKeys: operatorKeyFacts,
    };
    states.set(row.account_id, { state, now: row.now });
  }
  for (const row of rows<sql.LiveGrantRow>(sql.readLiveGrants)) {
    states.get(row.account_id)?.state.grants.push(grantOf(row));
  }
  for (const { state } of states.values()) state.grants.sort(inBurnOrder);
  for (const row of rows<ReceiptRow>(sql.readKnown)) {
    const receipt = receiptOf(row);
    states.get(row.account_id)?.state.known.set(receipt.idempotencyDigest, receipt);
  }
  return {
    states,
    locked: new Set(locked.map((row) => row.account_id)),
  };
}

function keyFactsOf(row: sql.KeyFactsRow): KeyFacts {
  return {
    account: row.account_id as AccountId,
    scopes: row.scopes,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}

function grantOf(row: sql.LiveGrantRow): Grant {
  return {
    number: row.number,
    category: row.category,
    priority: row.priority,
    expiresAt: row.expires_at,
    appliesTo: row.applies_to,
    remaining: row.remaining,
    reserved: row.reserved,
  };
}

/** What became of a batch: each operation's outcome, and for each account that moved, how. */
export interface BatchDecision {
  readonly outcomes: Outcome[];
  readonly moved: readonly { readonly state: AccountState; readonly decision: Decision }[];
}

/** Runs `decide` account by account, each account's operations in their order. */
export function decideBatch(operations: readonly Operation[], facts: Facts): BatchDecision {
  const byAccount = new Map<AccountId, number[]>();
  operations.forEach(({ account }, index) => {
    const indexes = byAccount.get(account);
    if (indexes) indexes.push(index);
    else byAccount.set(account, [index]);
  });
  const outcomes = new Array<Outcome>(operations.length);
  const moved: BatchDecision['moved'][number][] = [];
  for (const [account, indexes] of byAccount) {
    const known = facts.states.get(account);
    if (!known || !facts.locked.has(account)) {
      const outcome: Outcome = known
        ? { kind: 'failed', code: 'account_busy' }
        : { kind: 'refused', refusal: { code: 'account_not_found' } };
      for (const index of indexes) outcomes[index] = outcome;
      continue;
    }
    const asked = indexes.map((index) => operations[index] as Operation);
    const decision = decide(known.state, asked, known.now);
    indexes.forEach((index, place) => {
      outcomes[index] = decision.outcomes[place] as Outcome;
    });
    if (decision.recorded.length > 0) moved.push({ state: known.state, decision });
  }
  return { outcomes, moved };
}

/** Writes what was decided and commits, in one flush; with nothing to write it only ends the locks. */
export function writeAndCommit(moved: BatchDecision['moved']): Command[] {
  if (moved.length === 0) return [[sql.commit]];
  const made = madeGrants(moved);
  const burned = burnedGrants(moved);
  return [
    [sql.appendOperations, operationColumns(moved)],
    [sql.appendEntries, entryColumns(moved)],
    ...when(made[0]?.length !== 0, [sql.insertGrants, made]),
    ...when(burned[0]?.length !== 0, [sql.updateGrants, burned]),
    [sql.updateBalances, balanceColumns(moved)],
    [sql.commit],
  ];
}

type Columns = readonly (readonly unknown[])[];

function operationColumns(moved: BatchDecision['moved']): Columns {
  const receipts = moved.flatMap(({ decision }) => decision.recorded);
  return columnsOf(
    12,
    receipts.map((receipt) => [
      receipt.account,
      receipt.number,
      receipt.kind,
      instant(receipt.at),
      receipt.amount,
      receipt.availableAfter,
      receipt.scope,
      receipt.apiKeyId,
      receipt.description,
      receipt.metadata,
      receipt.idempotencyDigest,
      receipt.fingerprint,
    ]),
  );
}

function entryColumns(moved: BatchDecision['moved']): Columns {
  const receipts = moved.flatMap(({ decision }) => decision.recorded);
  return columnsOf(
    8,
    receipts.flatMap(({ account, number, entries }) =>
      entries.map((entry, index) => [
        account,
        number,
        index + 1,
        entry.amount,
        entry.grant,
        entry.category,
        entry.book,
        entry.postedAfter,
      ]),
    ),
  );
}

/** Grants of this batch, with what the rest of the batch has left of them. */
function madeGrants(moved: BatchDecision['moved']): Columns {
  const rows: unknown[][] = [];
  for (const { state, decision } of moved) {
    const remaining = new Map(
      [...decision.touched].map((grant): [bigint, bigint] => [grant.number, grant.remaining]),
    );
    for (const { terms, number, amount, at } of decision.recorded) {
      if (terms === null) continue;
      rows.push([
        state.account,
        number,
        terms.category,
        terms.priority,
        amount,
        remaining.get(number),
        instant(at),
        terms.expiresAt === null ? null : instant(terms.expiresAt),
        terms.appliesTo === null ? null : `{${terms.appliesTo.join()}}`,
      ]);
    }
  }
  return columnsOf(9, rows);
}

/** Grants from before this batch that it burned. */
function burnedGrants(moved: BatchDecision['moved']): Columns {
  const rows = moved.flatMap(({ state, decision }) => {
    const firstNew = decision.recorded[0]?.number ?? 0n;
    return [...decision.touched]
      .filter((grant) => grant.number < firstNew)
      .map((grant) => [state.account, grant.number, grant.remaining]);
  });
  return columnsOf(3, rows);
}

function balanceColumns(moved: BatchDecision['moved']): Columns {
  return columnsOf(
    5,
    moved.map(({ state }) => [
      state.account,
      state.posted,
      state.lastNumber,
      state.overdraftUsed,
      instant(state.lastAt),
    ]),
  );
}

/** Rows as the arrays that `unnest` takes, one a column. */
function columnsOf(width: number, rows: readonly (readonly unknown[])[]): Columns {
  return Array.from({ length: width }, (_, column) => rows.map((row) => row[column]));
}

/** Milliseconds as PostgreSQL reads them; the operations of a batch share their instant. */
function instant(milliseconds: number): string {
  if (milliseconds !== latest.milliseconds) {
    latest = { milliseconds, text: new Date(milliseconds).toISOString() };
  }
  return latest.text;
}
let latest = { milliseconds: 0, text: new Date(0).toISOString() };
