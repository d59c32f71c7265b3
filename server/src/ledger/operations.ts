import type { AccountId } from './ids.ts';

/**
 * The vocabulary of the ledger's core: what can be asked of it (`Operation`), what it answers
 * (`Outcome`) and what it keeps (`Receipt`). Amounts are microcents, instants are milliseconds since
 * 1970. Nothing here knows of HTTP or PostgreSQL.
 */

export type Category = 'paid' | 'promotional';
export type Book = 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';

/** Sixteen bytes of a SHA-256 in PostgreSQL's text form: `\x` and 32 hex digits. */
export type Digest = string & { readonly brand: 'Digest' };

interface Asked {
  readonly account: AccountId;
  /** As the caller named the account; one whose second half is another's names nothing. */
  readonly accountPublicId: string;
  /** The operator key that asks; null where the operator asks on the machine itself. */
  readonly operatorKeyId: string | null;
  /** Names the operation in its account for ever (ledger.md §7). */
  readonly idempotencyDigest: Digest;
  /** What was asked, so that the same idempotency key with another payload is noticed. */
  readonly fingerprint: Digest;
  /** Above 0 for a grant; 0 is allowed for a charge. */
  readonly amount: bigint;
  readonly description: string | null;
  /** A JSON object as text, as the caller sent its members. */
  readonly metadata: string | null;
}

export interface GrantTerms {
  readonly category: Category;
  /** 0 … 100, lower burns first. */
  readonly priority: number;
  readonly expiresAt: number | null;
  /** Scopes that the grant pays for; null: everything. */
  readonly appliesTo: readonly string[] | null;
}

export interface GrantOperation extends Asked {
  readonly kind: 'grant';
  readonly terms: GrantTerms;
}

export interface ChargeOperation extends Asked {
  readonly kind: 'charge';
  /** What the charge is for; a grant with `appliesTo` pays only for the scopes that it names. */
  readonly scope: string | null;
  /** The customer's key that made the call. Its state is judged under the account's lock. */
  readonly apiKeyId: string | null;
}

export type Operation = GrantOperation | ChargeOperation;

/** One line of an operation. */
export interface Entry {
  readonly amount: bigint;
  /** The grant that moved; null is the overdraft line. */
  readonly grant: bigint | null;
  readonly category: Category | 'overdraft';
  readonly book: Book;
  readonly postedAfter: bigint;
}

/** What is kept of an operation, and what a replay answers. */
export interface Receipt {
  readonly kind: Operation['kind'];
  readonly account: AccountId;
  readonly accountPublicId: string;
  readonly number: bigint;
  readonly at: number;
  readonly amount: bigint;
  /** Posted minus held after the operation. */
  readonly availableAfter: bigint;
  readonly scope: string | null;
  readonly apiKeyId: string | null;
  readonly description: string | null;
  readonly metadata: string | null;
  readonly idempotencyDigest: Digest;
  readonly fingerprint: Digest;
  readonly entries: readonly Entry[];
  /** Of a grant: its terms. */
  readonly terms: GrantTerms | null;
}

/** Why an operation was not carried out, though everything worked: the caller can do something. */
export type Refusal =
  | { readonly code: 'operator_key_invalid' }
  | { readonly code: 'account_not_found' }
  | { readonly code: 'account_suspended' }
  | { readonly code: 'idempotency_key_reused' }
  | { readonly code: 'api_key_not_found' }
  | { readonly code: 'api_key_inactive'; readonly reason: 'revoked' | 'expired' }
  | { readonly code: 'missing_scopes' }
  | { readonly code: 'amount_too_large' }
  | { readonly code: 'too_many_grants' }
  | {
      readonly code: 'insufficient_credits';
      /** What could have paid for this operation, unused overdraft included. */
      readonly available: bigint;
      readonly required: bigint;
    };

/** Why nothing can be said of an operation now: the caller repeats it under the same idempotency key. */
export type FailureCode =
  /** The queue is full, or the account's share of it. */
  | 'overloaded'
  /** Another node holds the account's lock for too long. */
  | 'account_busy'
  /** PostgreSQL cannot be reached; nothing was changed. */
  | 'database_unavailable'
  /** The connection was lost while the commit was under way. */
  | 'outcome_unknown'
  /** The server is stopping and takes nothing new. */
  | 'stopping'
  /** A defect: it was logged. Nothing was changed. */
  | 'internal_error';

export type Outcome =
  | { readonly kind: 'recorded'; readonly receipt: Receipt }
  | { readonly kind: 'replayed'; readonly receipt: Receipt }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'failed'; readonly code: FailureCode };
