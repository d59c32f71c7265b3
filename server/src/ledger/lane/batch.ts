import type { Command } from '../../db/connection/flush.ts';
import type { AccountId } from '../operations/ids.ts';
import {
  type FailureCode,
  isRepeatable,
  isSpending,
  type Operation,
  type Outcome,
  type Refusal,
  subjectOf,
} from '../operations/operations.ts';
import type { AccountState } from '../rules/account-state.ts';
import { decide } from '../rules/decide.ts';
import type { Decision } from '../rules/posting.ts';
import { type Answers, type ReadAccount, statesOf } from './rows-to-state.ts';
import * as sql from './sql/lane.ts';
import * as state from './sql/state.ts';

/**
 * The commands of one batch, and the decision about it. Exactness depends on their order: lock, read in
 * later statements, write (write.ts).
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

/** Operations that others are about, as the two columns that `unnest` takes. */
class Named {
  readonly accounts: AccountId[] = [];
  readonly numbers: bigint[] = [];

  add(account: AccountId, number: bigint): void {
    this.accounts.push(account);
    this.numbers.push(number);
  }

  /** The commands that read them; none if the batch names no such operation. */
  read(...statements: Command[0][]): Command[] {
    if (this.accounts.length === 0) return [];
    return statements.map((statement) => [statement, [this.accounts, this.numbers]]);
  }
}

/** The keys, secrets, digests and subjects of a batch. */
function namedBy(operations: readonly Operation[]) {
  const keys = new Set<string>();
  const secrets = new Set<string>();
  const known = { accounts: [] as AccountId[], digests: [] as string[] };
  const named = { hold: new Named(), charge: new Named(), grant: new Named() };
  for (const operation of operations) {
    const { account } = operation;
    if (isRepeatable(operation)) {
      known.accounts.push(account);
      known.digests.push(operation.idempotencyDigest);
    }
    if (isSpending(operation)) {
      if (operation.apiKeyId !== null) keys.add(operation.apiKeyId);
      if (operation.keySecret !== null) secrets.add(`\\x${operation.keySecret}`);
    }
    const subject = subjectOf(operation);
    if (subject) named[subject.thing].add(account, subject.number);
  }
  return { keys: [...keys], secrets: [...secrets], known, named };
}

/**
 * The commands, in one flush, that lock the accounts of a batch and read all that `decide` needs. It
 * leaves out statements that no operation of the batch needs.
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

/** The commands that read all that `decide` needs. */
export function readFor(
  operations: readonly Operation[],
  { accounts, operatorKeys }: BatchNames,
): Command[] {
  const { keys, secrets, known, named } = namedBy(operations);
  return [
    [state.readBalances, [accounts]],
    [state.readLiveGrants, [accounts]],
    [state.readLimits, [accounts, [...accounts, ...keys]]],
    ...when(known.accounts.length > 0, [sql.findKnown, [known.accounts, known.digests]]),
    ...when(keys.length > 0, [state.readKeys, [keys]]),
    ...when(secrets.length > 0, [state.readSecrets, [secrets]]),
    ...when(operatorKeys.length > 0, [state.readOperatorKeys, [operatorKeys]]),
    ...named.grant.read(state.readNamedGrants),
    ...named.hold.read(state.readNamedHolds, state.readLimitsOfHolds),
    ...named.charge.read(state.readCharges, state.readPayers, state.readLimitsOfCharges),
  ];
}

function when(isNeeded: boolean, command: Command): readonly Command[] {
  return isNeeded ? [command] : [];
}

/** The accounts of a batch that exist, with their states, and the ids of those that are locked. */
export interface Facts {
  readonly accounts: ReadonlyMap<string, ReadAccount>;
  readonly locked: ReadonlySet<string>;
}

/** Makes the facts of a batch from the answers to `lockAndRead`. */
export function factsOf(answers: Answers): Facts {
  const locked = [sql.lockBalances, sql.lockFreeBalances].flatMap(
    (statement) => (answers.get(statement) ?? []) as { account_id: string }[],
  );
  return {
    accounts: statesOf(answers),
    locked: new Set(locked.map((row) => row.account_id)),
  };
}

/** The commands that read due holds and replayed receipts, if the answers to `readFor` show any. */
export function readRest(accounts: ReadonlyMap<string, ReadAccount>, answers: Answers): Command[] {
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

/** An account that a batch changed: its new state, and the decision that led to it. */
export interface Moved {
  readonly state: AccountState;
  readonly decision: Decision;
}

/** The outcomes of a batch, in the order of its operations, and the accounts that it changed. */
export interface BatchDecision {
  readonly outcomes: Outcome[];
  readonly moved: readonly Moved[];
}

/** Runs `decide` for each account, with its operations in their order. */
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

/** The reason why the operations of an account cannot be judged now. */
function failureOf({ state, fault }: ReadAccount, { locked }: Facts): FailureCode | undefined {
  if (!locked.has(state.account)) return 'account_busy';
  return fault && 'clock_unreliable';
}

/** The refusal of an operation whose account does not exist: its subject does not exist either. */
function notFound(operation: Operation): Refusal {
  return { code: `${subjectOf(operation)?.thing ?? 'account'}_not_found` };
}
