import type { Statement } from '../../db/database.ts';
import { RECEIPT_COLUMNS, RECEIPT_JOINS, type ReceiptRow } from './receipts.ts';

/** $1 account, $2 number, $3 kind. */
export const findReceipt: Statement = {
  name: 'find_receipt',
  text: `
    select ${RECEIPT_COLUMNS}
    from operations o ${RECEIPT_JOINS}
    where o.account_id = $1 and o.number = $2 and o.kind = $3`,
};

/** $1 account, $2 kind, $3 the number before the page or null, $4 rows. */
export const listReceipts: Statement = {
  name: 'list_receipts',
  text: `
    select ${RECEIPT_COLUMNS}
    from operations o ${RECEIPT_JOINS}
    where o.account_id = $1 and o.kind = $2 and o.number < coalesce($3, 9223372036854775807)
    order by o.number desc limit $4`,
};

export interface GrantListRow {
  number: bigint;
  category: 'paid' | 'promotional';
  priority: number;
  amount: bigint;
  remaining: bigint;
  reserved: bigint;
  effective_at: number;
  expires_at: number | null;
  applies_to: string[] | null;
  created_at: number;
  description: string | null;
  metadata: string | null;
}

/** $1 account, $2 the number before the page or null, $3 rows. */
export const listGrants: Statement = {
  name: 'list_grants',
  text: `
    select g.number, g.category, g.priority, g.amount, g.remaining, g.reserved, g.effective_at,
           g.expires_at, g.applies_to, o.at as created_at, o.description,
           o.metadata::text as metadata
    from grants g join operations o on o.account_id = g.account_id and o.number = g.number
    where g.account_id = $1 and g.number < coalesce($2, 9223372036854775807)
    order by g.number desc limit $3`,
};

export interface EntryListRow {
  number: bigint;
  line: number;
  kind: ReceiptRow['kind'];
  at: number;
  amount: bigint;
  grant_number: bigint | null;
  category: 'paid' | 'promotional' | 'overdraft';
  book: 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';
  posted_after: bigint;
}

/** $1 account, $2 and $3 number and line before the page or null, $4 rows. */
export const listEntries: Statement = {
  name: 'list_entries',
  text: `
    select e.number, e.line, o.kind, o.at, e.amount, e.grant_number, e.category, e.book,
           e.posted_after
    from entries e join operations o on o.account_id = e.account_id and o.number = e.number
    where e.account_id = $1
      and (e.number, e.line) < (coalesce($2, 9223372036854775807), coalesce($3::smallint, 0))
    order by e.number desc, e.line desc limit $4`,
};
