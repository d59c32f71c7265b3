import type { AccountId } from './ids.ts';
import type { Digest, Receipt } from './operations.ts';
import type { ReceiptRow } from './sql/receipts.ts';

/** An operation as PostgreSQL keeps it, with its entries, as the ledger's core knows it. */
export function receiptOf(row: ReceiptRow): Receipt {
  return {
    kind: row.kind,
    account: row.account_id as AccountId,
    accountPublicId: row.public_id,
    number: row.number,
    at: row.at,
    amount: row.amount,
    availableAfter: row.available_after,
    scope: row.scope,
    apiKeyId: row.api_key_id,
    description: row.description,
    metadata: row.metadata,
    idempotencyDigest: row.idempotency_digest as Digest,
    fingerprint: row.fingerprint as Digest,
    entries: row.amounts.map((amount, index) => ({
      amount,
      grant: row.grant_numbers[index] ?? null,
      category: at(row.categories, index),
      book: at(row.books, index),
      postedAfter: at(row.posteds, index),
    })),
    terms:
      row.category === null || row.priority === null
        ? null
        : {
            category: row.category,
            priority: row.priority,
            expiresAt: row.expires_at,
            appliesTo: row.applies_to,
          },
  };
}

function at<T>(column: readonly T[], index: number): T {
  const value = column[index];
  if (value === undefined) throw new Error('the columns of a receipt differ in length');
  return value;
}
