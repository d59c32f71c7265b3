import type { Command } from '../../db/connection/flush.ts';
import type { AccountId } from '../operations/ids.ts';
import type { FailureCode, Operation, Outcome, Refusal } from '../operations/operations.ts';
import type { AccountState } from '../rules/account-state.ts';
import { decide } from '../rules/decide.ts';
import type { Decision } from '../rules/posting.ts';
import { type Answers, type Known, statesOf } from './rows-to-state.ts';
import * as sql from './sql/lane.ts';
import * as state from './sql/state.ts';

/**
 * What a lane asks for one batch, and what it makes of the answers. The order of the commands is the
 * ledger's exactness: lock, read in later statements, write (write.ts).
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
    const { kind, id } = operation.actor;
    if (kind === 'operator_key' && id !== null) operatorKeys.add(id);
  }
  return { accounts: [...accounts], operatorKeys: [...operatorKeys].sort() };
}

/** Operations that others name, as the two columns that `unnest` takes. */
class Named {
  readonly accounts: AccountId[] = [];
  readonly numbers: bigint[] = [];

  add(account: AccountId, number: bigint): void {
    this.accounts.push(account);
    this.numbers.push(number);
  }

  /** The commands that read them; none where nothing is named. */
  read(...statements: Command[0][]): Command[] {
    if (this.accounts.length === 0) return [];
    return statements.map((statement) => [statement, [this.accounts, this.numbers]]);
  }
}

/** What operations name besides their accounts. */
function subjectsOf(operations: readonly Operation[]) {
  const keys = new Set<string>();
  const secrets = new Set<string>();
  const known = { accounts: [] as AccountId[], digests: [] as string[] };
  const holds = new Named();
  const charges = new Named();
  const grants = new Named();
  for (const operation of operations) {
    const { account } = operation;
    if ('idempotencyDigest' in operation) {
      known.accounts.push(account);
      known.digests.push(operation.idempotencyDigest);
    }
    if ('keySecret' in operation) {
      if (operation.apiKeyId !== null) keys.add(operation.apiKeyId);
      if (operation.keySecret !== null) secrets.add(`\\x${operation.keySecret}`);
    }
    if ('hold' in operation) holds.add(account, operation.hold);
    if ('charge' in operation) charges.add(account, operation.charge);
    if ('grant' in operation) grants.add(account, operation.grant);
  }
  return { keys: [...keys], secrets: [...secrets], known, holds, charges, grants };
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
  const { accounts, operatorKeys } = names;
  return [
    [sql.begin],
    ...when(operatorKeys.length > 0, [sql.lockOperatorKeys, [operatorKeys]]),
    [skipLocked ? sql.lockFreeBalances : sql.lockBalances, [accounts]],
    ...readFor(operations, names),
  ];
}

/** Reads all that `decide` needs. */
export function readFor(
  operations: readonly Operation[],
  { accounts, operatorKeys }: BatchNames,
): Command[] {
  const { keys, secrets, known, holds, charges, grants } = subjectsOf(operations);
  return [
    [state.readBalances, [accounts]],
    [state.readLiveGrants, [accounts]],
    [state.readLimits, [accounts, [...accounts, ...keys]]],
    ...when(known.accounts.length > 0, [sql.findKnown, [known.accounts, known.digests]]),
    ...when(keys.length > 0, [state.readKeys, [keys]]),
    ...when(secrets.length > 0, [state.readSecrets, [secrets]]),
    ...when(operatorKeys.length > 0, [state.readOperatorKeys, [operatorKeys]]),
    ...grants.read(state.readNamedGrants),
    ...holds.read(state.readNamedHolds, state.readLimitsOfHolds),
    ...charges.read(state.readCharges, state.readPayers, state.readLimitsOfCharges),
  ];
}

function when(isNeeded: boolean, command: Command): readonly Command[] {
  return isNeeded ? [command] : [];
}

/** The state of each account of a batch that exists, and which of them are locked. */
export interface Facts {
  readonly accounts: ReadonlyMap<string, Known>;
  readonly locked: ReadonlySet<string>;
}

/** Makes the facts of what the commands of `lockAndRead` answered. */
export function factsOf(answers: Answers): Facts {
  const locked = [sql.lockBalances, sql.lockFreeBalances].flatMap(
    (statement) => (answers.get(statement) ?? []) as { account_id: string }[],
  );
  return {
    accounts: statesOf(answers),
    locked: new Set(locked.map((row) => row.account_id)),
  };
}

/** Reads what the answers of `readFor` have shown to matter; mostly nothing. */
export function readRest(accounts: ReadonlyMap<string, Known>, answers: Answers): Command[] {
  const due = [...accounts.values()].filter(
    ({ state, now, fault }) => !fault && state.nextDueAt !== null && state.nextDueAt <= now,
  );
  const dueBy = [
    due.map(({ state }) => state.account),
    due.map(({ now }) => new Date(now).toISOString()),
  ];
  const known = new Named();
  for (const row of (answers.get(sql.findKnown) ?? []) as sql.KnownRow[]) {
    known.add(row.account_id as AccountId, row.number);
  }
  return [
    ...when(due.length > 0, [state.readDueHolds, dueBy]),
    ...when(due.length > 0, [state.readNextHoldEnds, dueBy]),
    ...when(due.length > 0, [state.readLimitsOfDueHolds, dueBy]),
    ...known.read(sql.readKnown),
  ];
}

/** What became of an account: its state after the batch, and how it got there. */
export interface Moved {
  readonly state: AccountState;
  readonly decision: Decision;
}

/** What became of a batch: each operation's outcome, and for each account that moved, how. */
export interface BatchDecision {
  readonly outcomes: Outcome[];
  readonly moved: readonly Moved[];
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
  const moved: Moved[] = [];
  for (const [account, indexes] of byAccount) {
    const known = facts.accounts.get(account);
    const failure = known && failureOf(known, facts);
    if (!known || failure) {
      for (const index of indexes) {
        outcomes[index] = failure
          ? { kind: 'failed', code: failure }
          : {
              kind: 'refused',
              refusal: notFound(operations[index] as Operation),
              available: null,
            };
      }
      continue;
    }
    const { state } = known;
    const dueBefore = state.nextDueAt;
    const asked = indexes.map((index) => operations[index] as Operation);
    const decision = decide(state, asked, known.now);
    indexes.forEach((index, place) => {
      outcomes[index] = decision.outcomes[place] as Outcome;
    });
    const hasMoved = decision.recorded.length > 0 || state.nextDueAt !== dueBefore;
    if (hasMoved) moved.push({ state, decision });
  }
  return { outcomes, moved };
}

/** Why nothing can be said of an account's operations now. */
function failureOf({ state, fault }: Known, { locked }: Facts): FailureCode | undefined {
  if (!locked.has(state.account)) return 'account_busy';
  return fault && 'clock_unreliable';
}

/** What an operation names that is not there, as its account is not. */
function notFound(operation: Operation): Refusal {
  if ('hold' in operation) return { code: 'hold_not_found' };
  if ('charge' in operation) return { code: 'charge_not_found' };
  if ('grant' in operation) return { code: 'grant_not_found' };
  return { code: 'account_not_found' };
}
