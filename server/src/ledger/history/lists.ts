import type { Sql } from '../../db/connection/database.ts';
import { type Page, pageOf } from '../../db/page.ts';
import { actorOf, receiptOf } from '../lane/receipts.ts';
import type { ReceiptRow } from '../lane/sql/receipts.ts';
import type { AccountId, OperationRef } from '../operations/ids.ts';
import type { OperationKind } from '../operations/kinds.ts';
import type { Actor, Entry, GrantTerms, Receipt } from '../operations/operations.ts';
import { type NumberRange, type Period, rangeOf } from './past.ts';
import * as sql from './sql/lists.ts';

/** Lists of an account's grants, charges and entries, newest first. */

/**
 * The most operations that one page of a filtered list searches, some 20 ms. A page that is not full by
 * then names the place at which the search continues.
 */
const LONGEST_SEARCH = 100_000n;

/** A charge as it is now: its receipt, and the amount reversed. */
export interface Charge {
  readonly receipt: Receipt;
  readonly reversed: bigint;
  /** The ending of the gateway's call that the charge paid for; null: no gateway made it. */
  readonly call: { readonly ending: string; readonly status: number | null } | null;
}

export const GRANT_STATUSES = ['pending', 'active', 'ended'] as const;
/** `pending` takes effect later, `active` can be spent, `ended` is expired, voided or used up. */
export type GrantStatus = (typeof GRANT_STATUSES)[number];

/** A grant in a list, with its remaining credit. */
export interface GrantRow {
  readonly number: bigint;
  readonly amount: bigint;
  readonly remaining: bigint;
  readonly reserved: bigint;
  readonly terms: GrantTerms;
  readonly status: GrantStatus;
  readonly endedAt: number | null;
  readonly endedBy: 'expiry' | 'void' | null;
  readonly createdAt: number;
  readonly actor: Actor | null;
  readonly description: string | null;
  readonly metadata: string | null;
}

/** An entry in a list, with its operation. */
export interface EntryRow extends Entry {
  readonly number: bigint;
  readonly line: number;
  readonly kind: OperationKind;
  readonly actor: Actor | null;
  readonly at: number;
}

/** The place of an entry; a page continues with the entries before it. */
export interface EntryPosition {
  readonly number: bigint;
  /** 1: the page begins before all lines of the operation. */
  readonly line: number;
}

/** The grant with an id; undefined: there is none. */
export async function findGrant(
  on: Sql,
  ref: OperationRef,
): Promise<(GrantRow & { readonly accountPublicId: string }) | undefined> {
  const [row] = await on.rows<sql.GrantListRow & { public_id: string }>(sql.findGrant, [
    ref.account,
    ref.number,
  ]);
  return row && { ...grantOf(row), accountPublicId: row.public_id };
}

/** The receipt of an operation of a kind; undefined: there is none with that number and kind. */
export async function findReceipt(
  on: Sql,
  ref: OperationRef,
  kind: OperationKind,
): Promise<Receipt | undefined> {
  const [row] = await on.rows<ReceiptRow>(sql.findReceipt, [ref.account, ref.number, kind]);
  return row && receiptOf(row);
}

/** The charge with an id; undefined: there is none. */
export async function findCharge(on: Sql, ref: OperationRef): Promise<Charge | undefined> {
  const [row] = await on.rows<sql.ChargeRow>(sql.findCharge, [ref.account, ref.number]);
  return row && chargeOf(row);
}

/** The charge that the capture of a hold made; undefined: the hold was not captured. */
export async function findChargeOfHold(on: Sql, ref: OperationRef): Promise<Charge | undefined> {
  const [row] = await on.rows<sql.ChargeRow>(sql.findChargeOfHold, [ref.account, ref.number]);
  return row && chargeOf(row);
}

/** An account's charges: plain ones, captures and overages. */
export async function listCharges(
  on: Sql,
  account: AccountId,
  asked: Period & {
    readonly limit: number;
    readonly before?: bigint;
    readonly apiKeyId?: string | undefined;
    readonly scope?: string | undefined;
  },
): Promise<Page<Charge>> {
  const { limit, before, apiKeyId = null, scope = null } = asked;
  const range = cut(await rangeOf(on, account, asked), before);
  const search = firstPart(range);
  const values = [account, search.first, search.before, apiKeyId, scope, limit + 1];
  const rows = await on.rows<sql.ChargeRow>(sql.listCharges, values);
  return searched(pageOf(rows.map(chargeOf), limit), search, range);
}

/** An account's grants, ended ones too. */
export async function listGrants(
  on: Sql,
  account: AccountId,
  asked: {
    readonly limit: number;
    readonly before?: bigint;
    readonly status?: GrantStatus | undefined;
  },
): Promise<Page<GrantRow>> {
  const { limit, before, status = 'all' } = asked;
  const values = [account, before ?? null, limit + 1];
  const rows = await on.rows<sql.GrantListRow>(sql.listGrants[status], values);
  return pageOf(rows.map(grantOf), limit);
}

/** An account's entries; with kinds or a key, only those of such operations. */
export async function listEntries(
  on: Sql,
  account: AccountId,
  asked: Period & {
    readonly limit: number;
    readonly before?: EntryPosition;
    readonly kinds?: readonly string[] | undefined;
    readonly apiKeyId?: string | undefined;
  },
): Promise<Page<EntryRow>> {
  const { limit, kinds = null, apiKeyId = null } = asked;
  const period = await rangeOf(on, account, asked);
  const before =
    asked.before && asked.before.number < period.before
      ? asked.before
      : { number: period.before, line: 1 };
  if (kinds === null && apiKeyId === null) {
    const values = [account, period.first, before.number, before.line, limit + 1];
    const rows = await on.rows<sql.EntryListRow>(sql.listEntries, values);
    return pageOf(rows.map(entryOf), limit);
  }
  // The operation at the position may have more lines.
  const range = { first: period.first, before: before.number + 1n };
  const search = firstPart(range);
  const values = [account, search.first, before.number, before.line, limit + 1, kinds, apiKeyId];
  const rows = await on.rows<sql.EntryListRow>(sql.listEntriesOf, values);
  return searched(pageOf(rows.map(entryOf), limit), search, range);
}

export function entryOf(row: sql.EntryListRow): EntryRow {
  return {
    number: row.number,
    line: row.line,
    kind: row.kind,
    actor: actorOf(row.actor, row.actor_id),
    at: row.at,
    amount: row.amount,
    grant: row.grant_number,
    category: row.category,
    book: row.book,
    postedAfter: row.posted_after,
  };
}

function chargeOf(row: sql.ChargeRow): Charge {
  const { call_ending: ending, call_status: status } = row;
  const call = ending === null ? null : { ending, status };
  return { receipt: receiptOf(row), reversed: row.reversed, call };
}

function grantOf(row: sql.GrantListRow): GrantRow {
  return {
    number: row.number,
    amount: row.amount,
    remaining: row.remaining,
    reserved: row.reserved,
    terms: {
      category: row.category,
      priority: row.priority,
      effectiveAt: row.effective_at,
      expiresAt: row.expires_at,
      appliesTo: row.applies_to,
    },
    status: statusOf(row),
    endedAt: row.ended_at,
    endedBy: row.ended_by,
    createdAt: row.created_at,
    actor: actorOf(row.actor, row.actor_id),
    description: row.description,
    metadata: row.metadata,
  };
}

/** Agrees with the conditions of the statements of `listGrants`. */
function statusOf({ remaining, started, ended_at }: sql.GrantListRow): GrantStatus {
  if (remaining === 0n || ended_at !== null) return 'ended';
  return started ? 'active' : 'pending';
}

function cut({ first, before }: NumberRange, position: bigint | undefined): NumberRange {
  return { first, before: position !== undefined && position < before ? position : before };
}

/** The newest part of a range that one page may search. */
function firstPart({ first, before }: NumberRange): NumberRange {
  const longest = before - LONGEST_SEARCH;
  return { first: longest > first ? longest : first, before };
}

/** The page of a search in a part of a range: if it is short, the rest of the range may have more. */
function searched<T>(page: Page<T>, part: NumberRange, range: NumberRange): Page<T> {
  return page.more || part.first <= range.first ? page : { ...page, resumeBelow: part.first };
}
