import type { Sql } from '../db/database.ts';
import type { AccountId, OperationRef } from './ids.ts';
import type { Entry, GrantTerms, OperationKind, Receipt } from './operations.ts';
import { type Page, pageOf } from './page.ts';
import { receiptOf } from './receipts.ts';
import * as sql from './sql/history.ts';
import type { ReceiptRow } from './sql/receipts.ts';

/** A grant as a list shows it, with what it has left. */
export interface GrantRow {
  readonly number: bigint;
  readonly amount: bigint;
  readonly remaining: bigint;
  readonly reserved: bigint;
  readonly terms: GrantTerms;
  readonly createdAt: number;
  readonly description: string | null;
  readonly metadata: string | null;
}

/** An entry as a list shows it, with the operation that it belongs to. */
export interface EntryRow extends Entry {
  readonly number: bigint;
  readonly line: number;
  readonly kind: OperationKind;
  readonly at: number;
}

/** The receipt of an operation of that kind; undefined where there is none. */
export async function findReceipt(
  on: Sql,
  ref: OperationRef,
  kind: OperationKind,
): Promise<Receipt | undefined> {
  const [row] = await on.rows<ReceiptRow>(sql.findReceipt, [ref.account, ref.number, kind]);
  return row && receiptOf(row);
}

/** An account's operations of one kind, newest first. */
export async function listReceipts(
  on: Sql,
  account: AccountId,
  kind: OperationKind,
  page: { limit: number; before?: bigint },
): Promise<Page<Receipt>> {
  const values = [account, kind, page.before ?? null, page.limit + 1];
  const rows = await on.rows<ReceiptRow>(sql.listReceipts, values);
  return pageOf(rows.map(receiptOf), page.limit);
}

/** An account's grants, newest first, the used-up ones too. */
export async function listGrants(
  on: Sql,
  account: AccountId,
  page: { limit: number; before?: bigint },
): Promise<Page<GrantRow>> {
  const values = [account, page.before ?? null, page.limit + 1];
  const rows = await on.rows<sql.GrantListRow>(sql.listGrants, values);
  const grants = rows.map(
    (row): GrantRow => ({
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
      createdAt: row.created_at,
      description: row.description,
      metadata: row.metadata,
    }),
  );
  return pageOf(grants, page.limit);
}

/** An account's entries, newest first. */
export async function listEntries(
  on: Sql,
  account: AccountId,
  page: { limit: number; before?: { number: bigint; line: number } },
): Promise<Page<EntryRow>> {
  const { number = null, line = null } = page.before ?? {};
  const rows = await on.rows<sql.EntryListRow>(sql.listEntries, [
    account,
    number,
    line,
    page.limit + 1,
  ]);
  const entries = rows.map(
    (row): EntryRow => ({
      number: row.number,
      line: row.line,
      kind: row.kind,
      at: row.at,
      amount: row.amount,
      grant: row.grant_number,
      category: row.category,
      book: row.book,
      postedAfter: row.posted_after,
    }),
  );
  return pageOf(entries, page.limit);
}
