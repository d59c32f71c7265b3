import type { Command } from '../../db/connection/flush.ts';
import type { Receipt } from '../operations/operations.ts';
import type { Grant } from '../rules/account-state.ts';
import type { Moved } from './batch.ts';
import * as sql from './sql/lane.ts';

/** The commands that write a batch: each statement once, with its rows as columns. */

type Row = readonly unknown[];

/** Writes the changes and commits, in one flush. Without changes, it only releases the locks. */
export function writeAndCommit(moved: readonly Moved[]): Command[] {
  if (moved.length === 0) return [[sql.commit]];
  const receipts = moved.flatMap(({ decision }) => decision.recorded);
  return [
    ...write(sql.appendOperations, receipts.map(operationRow)),
    ...write(sql.appendEntries, receipts.flatMap(entryRows)),
    ...write(sql.insertGrants, moved.flatMap(madeGrants)),
    ...write(sql.updateGrants, moved.flatMap(changedGrants)),
    ...write(sql.insertHolds, moved.flatMap(openedHolds)),
    ...write(sql.deleteHolds, moved.flatMap(closedHolds)),
    ...write(sql.updateLimits, moved.flatMap(countedLimits)),
    ...write(sql.updateBalances, moved.map(balanceRow)),
    [sql.commit],
  ];
}

/** A statement with its rows as the arrays that `unnest` takes, one a column; none without rows. */
function write(statement: Command[0], rows: readonly Row[]): Command[] {
  const [first] = rows;
  if (!first) return [];
  return [[statement, first.map((_, column) => rows.map((row) => row[column]))]];
}

function operationRow(receipt: Receipt): Row {
  return [
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
    receipt.subject,
    optionalInstant(receipt.expiresAt),
    receipt.remainingAfter,
    receipt.call,
    receipt.actor?.kind ?? null,
    // `api_key_id` has it already.
    receipt.actor?.id === receipt.apiKeyId ? null : (receipt.actor?.id ?? null),
  ];
}

function entryRows({ account, number, entries }: Receipt): Row[] {
  return entries.map((entry, index) => [
    account,
    number,
    index + 1,
    entry.amount,
    entry.grant,
    entry.category,
    entry.book,
    entry.postedAfter,
  ]);
}

/** Grants that this batch made, as they are at its end. */
function madeGrants(moved: Moved): Row[] {
  return grantsOf(moved, true).map((grant) => [
    moved.state.account,
    grant.number,
    grant.category,
    grant.book,
    grant.priority,
    grant.amount,
    grant.remaining,
    grant.reserved,
    instant(grant.effectiveAt),
    optionalInstant(grant.expiresAt),
    grant.appliesTo === null ? null : literal(grant.appliesTo),
    grant.started,
  ]);
}

/** Older grants that this batch changed. */
function changedGrants(moved: Moved): Row[] {
  return grantsOf(moved, false).map((grant) => [
    moved.state.account,
    grant.number,
    grant.remaining,
    grant.reserved,
    optionalInstant(grant.expiresAt),
    grant.started,
    optionalInstant(grant.ended?.at ?? null),
    grant.ended?.by ?? null,
  ]);
}

function grantsOf({ decision }: Moved, isNew: boolean): Grant[] {
  const [first] = decision.recorded;
  return [...decision.grants].filter(
    ({ number }) => (first !== undefined && number >= first.number) === isNew,
  );
}

function openedHolds({ state, decision }: Moved): Row[] {
  return Array.from(decision.opened, (hold) => [
    state.account,
    hold.number,
    hold.amount,
    instant(hold.expiresAt),
    literal(hold.slices.map(({ grant }) => grant ?? 'null')),
    literal(hold.slices.map(({ amount }) => amount)),
  ]);
}

function closedHolds({ state, decision }: Moved): Row[] {
  return Array.from(decision.closed, (hold) => [state.account, hold.number]);
}

function countedLimits({ state, decision }: Moved): Row[] {
  return Array.from(decision.limits, ({ holder, period, used, periodStart }) => [
    state.account,
    holder,
    period,
    used,
    instant(periodStart),
  ]);
}

function balanceRow({ state }: Moved): Row {
  return [
    state.account,
    state.posted,
    state.held,
    state.openHolds,
    state.lastNumber,
    state.overdraftUsed,
    state.overdraftReserved,
    instant(state.lastAt),
    optionalInstant(state.nextDueAt),
  ];
}

/** The literal of an array; its words must need no quoting. */
function literal(words: readonly (string | bigint)[]): string {
  return `{${words.join()}}`;
}

function optionalInstant(milliseconds: number | null): string | null {
  return milliseconds === null ? null : instant(milliseconds);
}

/** Milliseconds as PostgreSQL reads them. It keeps the last one: a batch has one instant (adr/0012). */
function instant(milliseconds: number): string {
  if (milliseconds !== latest.milliseconds) {
    latest = { milliseconds, text: new Date(milliseconds).toISOString() };
  }
  return latest.text;
}
let latest = { milliseconds: 0, text: new Date(0).toISOString() };
