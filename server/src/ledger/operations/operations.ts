import type { AccountId } from './ids.ts';
import type { OperationKind } from './kinds.ts';

/**
 * The vocabulary of the ledger's core: what can be asked of it (`Operation`), what it answers
 * (`Outcome`) and what it keeps (`Receipt`). Amounts are microcents, instants are milliseconds since
 * 1970. Nothing here knows of HTTP or PostgreSQL.
 */

export type Category = 'paid' | 'promotional';
export type Book = 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';
/** How a grant ended. */
export type GrantEnding = 'expiry' | 'void';

/** The kinds of actors; `sweeper` and `gateway` are parts of the system. */
export type ActorKind = 'operator_key' | 'api_key' | 'local' | 'sweeper' | 'gateway';

/** Somebody or something that does operations (README.md, "Actors"). */
export interface Actor {
  readonly kind: ActorKind;
  /** The UUID of the key; null: the kind says it all. */
  readonly id: string | null;
}

/** The operator on the machine itself, at the command line. */
export const LOCAL: Actor = { kind: 'local', id: null };
/** Books what becomes due by itself, whoever asks at that moment. */
export const SWEEPER: Actor = { kind: 'sweeper', id: null };
/** Settles priced calls. */
export const GATEWAY: Actor = { kind: 'gateway', id: null };

/** Sixteen bytes of a SHA-256 in PostgreSQL's text form: `\x` and 32 hex digits. */
export type Digest = string & { readonly brand: 'Digest' };

interface Asked {
  readonly account: AccountId;
  /** As the caller named the account, whose second half must agree; null: by the id of an operation. */
  readonly accountPublicId: string | null;
  /** An operator key must be valid at the operation's instant. */
  readonly actor: Actor;
}

/** What a caller repeats under one idempotency key. */
interface Repeatable extends Asked {
  /** Names the operation in its account for ever (ledger.md §7). */
  readonly idempotencyDigest: Digest;
  /** What was asked, so that the same idempotency key with another payload is noticed. */
  readonly fingerprint: Digest;
  readonly description: string | null;
  /** A JSON object as text, as the caller sent its members. */
  readonly metadata: string | null;
}

export interface GrantTerms {
  readonly category: Category;
  /** 0 … 100, lower burns first. */
  readonly priority: number;
  /** From when on it can be spent. */
  readonly effectiveAt: number;
  readonly expiresAt: number | null;
  /** Scopes that the grant pays for; null: everything. */
  readonly appliesTo: readonly string[] | null;
}

export interface GrantOperation extends Repeatable {
  readonly kind: 'grant';
  /** Above 0. */
  readonly amount: bigint;
  /** `effectiveAt` null: at once. */
  readonly terms: Omit<GrantTerms, 'effectiveAt'> & { readonly effectiveAt: number | null };
}

/** What a charge and a hold have in common. */
interface Spending extends Repeatable {
  readonly amount: bigint;
  /** What it is for; a grant with `appliesTo` pays only for the scopes that it names. */
  readonly scope: string | null;
  /** The customer's key that makes the call. Its state is judged under the account's lock. */
  readonly apiKeyId: string | null;
  /** The SHA-256, in hex, of the secret that the customer sent; null where the operator named the key. */
  readonly keySecret: string | null;
  /** What of a priced route was used, as JSON; absent where no gateway made it. */
  readonly call?: string;
}

export interface ChargeOperation extends Spending {
  readonly kind: 'charge';
  /**
   * The use was delivered already, and its hold has ended. Account status, key, scope, spend limits and
   * credit do not refuse the charge; it may take the account below zero. Never set by an HTTP route.
   */
  readonly late?: true;
}

export interface HoldOperation extends Spending {
  readonly kind: 'hold';
  /** 1 second to 24 hours. */
  readonly expiresInMs: number;
}

export interface CaptureOperation extends Repeatable {
  readonly kind: 'capture';
  /** The number of the hold. */
  readonly hold: bigint;
  readonly amount: bigint;
  /** As of a charge. */
  readonly call?: string;
}

export interface HoldVoidOperation extends Repeatable {
  readonly kind: 'hold_void';
  readonly hold: bigint;
}

export interface ReversalOperation extends Repeatable {
  readonly kind: 'reversal';
  /** The number of the charge. */
  readonly charge: bigint;
  /** Above 0; null: all that is left of the charge. */
  readonly amount: bigint | null;
}

export interface AdjustmentOperation extends Repeatable {
  readonly kind: 'adjustment';
  /** Above 0 it makes a grant of `category`, below 0 it burns credit. */
  readonly amount: bigint;
  readonly category: Category;
  /** Whether it may take the account below zero, past the overdraft limit. */
  readonly allowNegative: boolean;
}

export interface GrantVoidOperation extends Repeatable {
  readonly kind: 'grant_void';
  readonly grant: bigint;
}

/** Sets an expiry to a later one. To repeat it changes nothing, so it needs no idempotency key. */
export interface GrantExtensionOperation extends Asked {
  readonly kind: 'grant_extension';
  readonly grant: bigint;
  /** Null: never. */
  readonly expiresAt: number | null;
}

/** Books what has become due, and nothing else. */
export interface AdvanceOperation extends Asked {
  readonly kind: 'advance';
}

export type SpendOperation = ChargeOperation | HoldOperation;

export type RepeatableOperation =
  | GrantOperation
  | SpendOperation
  | CaptureOperation
  | HoldVoidOperation
  | ReversalOperation
  | AdjustmentOperation
  | GrantVoidOperation;

export type Operation = RepeatableOperation | GrantExtensionOperation | AdvanceOperation;

/** What is a charge to the outside, with a `chg_…` id. */
export const CHARGE_KINDS = ['charge', 'capture', 'overage'] as const satisfies OperationKind[];

/** What `call` says of an operation, as JSON. */
export interface CallText {
  readonly route: string;
  /** Of the price book. */
  readonly version: number;
  /** Decimal numbers. */
  readonly quantities: Readonly<Record<string, string>>;
  /** The members of the request that chose a price, with what they chose. The oldest calls have none. */
  readonly choices?: Readonly<Record<string, string>>;
  /** Until when the call may take, in milliseconds since 1970. */
  readonly until: number;
  /** Charged after the hold of the call had expired. */
  readonly late?: true;
}

/** One line of an operation. */
export interface Entry {
  readonly amount: bigint;
  /** The grant that moved; null is the overdraft line. */
  readonly grant: bigint | null;
  readonly category: Category | 'overdraft';
  readonly book: Book;
  readonly postedAfter: bigint;
}

/** A hold as it was made. */
export interface HoldTerms {
  readonly number: bigint;
  readonly actor: Actor | null;
  readonly at: number;
  readonly amount: bigint;
  readonly expiresAt: number;
  readonly scope: string | null;
  readonly apiKeyId: string | null;
  readonly description: string | null;
  readonly metadata: string | null;
}

/** What is kept of an operation, and what a replay answers. */
export interface Receipt {
  readonly kind: OperationKind;
  readonly account: AccountId;
  readonly accountPublicId: string;
  readonly number: bigint;
  /** Null: it was booked before operations named their actor. */
  readonly actor: Actor | null;
  readonly at: number;
  /** Signed for an adjustment. */
  readonly amount: bigint;
  /** Posted minus held, after the operation and all that followed from it at once. */
  readonly availableAfter: bigint;
  readonly scope: string | null;
  readonly apiKeyId: string | null;
  readonly description: string | null;
  readonly metadata: string | null;
  /** What of a priced route was used, as JSON. */
  readonly call: string | null;
  /** Null where it became due or followed by itself, and for an extension. */
  readonly idempotencyDigest: Digest | null;
  readonly fingerprint: Digest | null;
  readonly entries: readonly Entry[];
  /** The number of the operation that this one is about. */
  readonly subject: bigint | null;
  /** Of a hold and a grant: as they were made; of an extension: the new one. */
  readonly expiresAt: number | null;
  /** Of a grant's void: what open holds still have reserved of it. */
  readonly remainingAfter: bigint | null;
  /** Of what made a grant, or is about one: the grant's terms as they were made. */
  readonly terms: GrantTerms | null;
  /** Of a capture, an overage and the void of a hold: the hold. */
  readonly hold: HoldTerms | null;
  /** Of a capture: the second charge, for the cost above the hold. */
  readonly overage: { readonly number: bigint; readonly amount: bigint } | null;
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
  | { readonly code: 'too_many_holds' }
  | { readonly code: 'grant_not_found' }
  | { readonly code: 'grant_ended'; readonly by: GrantEnding; readonly at: number }
  /** A new grant would have ended before it is made, or before it takes effect. */
  | { readonly code: 'expiry_passed' }
  /** An extension is not later than the expiry that there is. */
  | { readonly code: 'expiry_not_later'; readonly expiresAt: number | null }
  | { readonly code: 'hold_not_found' }
  | { readonly code: 'hold_ended'; readonly by: HoldEnding; readonly at: number }
  | { readonly code: 'charge_not_found' }
  | { readonly code: 'reversal_exceeds_charge'; readonly left: bigint }
  | SpendLimitReached
  | InsufficientCredits;

/** How a hold ended. */
export type HoldEnding = 'capture' | 'void' | 'expiry';

export interface InsufficientCredits {
  readonly code: 'insufficient_credits';
  /** The credit for this operation, unused overdraft included; 0 in debt. */
  readonly available: bigint;
  readonly required: bigint;
  /** Credit that there is besides, but not for this scope. */
  readonly elsewhere: bigint;
  /** The debt beyond all credit; it must be repaid before anything can be spent. */
  readonly debt: bigint;
}

export type SpendPeriod = 'day' | 'month' | 'total';

export interface SpendLimitReached {
  readonly code: 'spend_limit_reached';
  readonly of: 'account' | 'api_key';
  readonly period: SpendPeriod;
  readonly limit: bigint;
  readonly used: bigint;
  /** When the period ends; null for `total`. */
  readonly resetAt: number | null;
}

/** Why nothing can be said of an operation now: the caller repeats it under the same idempotency key. */
export type FailureCode =
  /** The queue is full, or the account's share of it. */
  | 'overloaded'
  /** Another node holds the account's lock for too long. */
  | 'account_busy'
  /** The database's clock cannot be believed (clock.ts). */
  | 'clock_unreliable'
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
  /** There was nothing to record: it is as it was asked for. */
  | { readonly kind: 'done' }
  | {
      readonly kind: 'refused';
      readonly refusal: Refusal;
      /** Posted minus held when it was judged; null: there is no such account. */
      readonly available: bigint | null;
    }
  | { readonly kind: 'failed'; readonly code: FailureCode };
