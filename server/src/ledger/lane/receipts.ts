import type { AccountId } from '../operations/ids.ts';
import type { Actor, Digest, GrantTerms, HoldTerms, Receipt } from '../operations/operations.ts';
import type { ActorColumns, HoldColumns, ReceiptRow } from './sql/receipts.ts';

/** The receipt of an operation, from its row. */
export function receiptOf(row: ReceiptRow): Receipt {
  return {
    kind: row.kind,
    account: row.account_id as AccountId,
    accountPublicId: row.public_id,
    number: row.number,
    actor: actorOf(row.actor, row.actor_id),
    at: row.at,
    amount: row.amount,
    availableAfter: row.available_after,
    scope: row.scope,
    apiKeyId: row.api_key_id,
    description: row.description,
    metadata: row.metadata,
    call: row.call,
    idempotencyDigest: row.idempotency_digest as Digest | null,
    fingerprint: row.fingerprint as Digest | null,
    entries: row.amounts.map((amount, index) => ({
      amount,
      grant: row.grant_numbers[index] ?? null,
      category: at(row.categories, index),
      book: at(row.books, index),
      postedAfter: at(row.posteds, index),
    })),
    subject: row.subject,
    expiresAt: row.expires_at,
    remainingAfter: row.remaining_after,
    terms: termsOf(row),
    hold: holdOf(row),
    overage:
      row.overage === null || row.overage_amount === null
        ? null
        : { number: row.overage, amount: row.overage_amount },
  };
}

/** Null: a release booked the operation that did not keep actors yet. */
export function actorOf(kind: ActorColumns['actor'], id: string | null): Actor | null {
  return kind === null ? null : { kind, id };
}

/** A hold as it was made, from its number and its row. */
export function holdTermsOf(number: bigint, row: HoldColumns): HoldTerms {
  return {
    number,
    actor: actorOf(row.actor, row.actor_id),
    at: row.at,
    amount: row.amount,
    expiresAt: row.expires_at,
    scope: row.scope,
    apiKeyId: row.api_key_id,
    description: row.description,
    metadata: row.metadata,
  };
}

function termsOf(row: ReceiptRow): GrantTerms | null {
  const { category, priority, effective_at: effectiveAt } = row;
  if (category === null || priority === null || effectiveAt === null) return null;
  const { grant_expires_at: expiresAt, applies_to: appliesTo } = row;
  return { category, priority, effectiveAt, expiresAt, appliesTo };
}

/** The hold that an operation is about, which has the same scope and key. */
function holdOf(row: ReceiptRow): HoldTerms | null {
  const { hold_number: number, hold_at, hold_amount: amount, hold_expires_at: expiresAt } = row;
  if (number === null || hold_at === null || amount === null || expiresAt === null) return null;
  return {
    number,
    actor: actorOf(row.hold_actor, row.hold_actor_id),
    at: hold_at,
    amount,
    expiresAt,
    scope: row.scope,
    apiKeyId: row.api_key_id,
    description: row.hold_description,
    metadata: row.hold_metadata,
  };
}

function at<T>(column: readonly T[], index: number): T {
  const value = column[index];
  if (value === undefined) throw new Error('bug: the columns of a receipt differ in length');
  return value;
}
