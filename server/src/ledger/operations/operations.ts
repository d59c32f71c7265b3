import type { AccountId } from './ids.ts';
import {
  type ActorKind,
  type AskedKind,
  type HoldEnding,
  KINDS,
  type OperationKind,
  type RepeatableKind,
  type Thing,
} from './kinds.ts';

/**
 * The types of the ledger's core: a request (`Operation`), its answer (`Outcome`) and the record that is
 * kept (`Receipt`). Amounts are microcents, instants are milliseconds since 1970. Nothing here knows of
 * HTTP or PostgreSQL.
 */

export type Category = 'paid' | 'promotional';
export type Book = 'funding' | 'promotion' | 'revenue' | 'breakage' | 'adjustment';
/** How a grant ended. */
export type GrantEnding = 'expiry' | 'void';

/** The person, program or part of the system that does an operation (README §14). */
export interface Actor {
  readonly kind: ActorKind;
  /** The UUID of the key; null: the kind has no keys. */
  readonly id: string | null;
}

/** The operator on the machine itself, at the command line. */
export const LOCAL: Actor = { kind: 'local', id: null };
/** Books events that become due, whichever request makes the ledger look. */
export const SWEEPER: Actor = { kind: 'sweeper', id: null };
/** Settles priced calls. */
export const GATEWAY: Actor = { kind: 'gateway', id: null };

/** Sixteen bytes of a SHA-256 in PostgreSQL's text form: `\x` and 32 hex digits. */
export type Digest = string & { readonly brand: 'Digest' };

interface Asked {
  readonly account: AccountId;
  /**
   * The public id that the caller named; all of it must agree with the account's. Null: the caller named
   * an operation, and its id led to the account.
   */
  readonly accountPublicId: string | null;
  /** An operator key must be valid at the operation's instant. */
  readonly actor: Actor;
}

/** An operation that a caller may repeat under one idempotency key. */
interface Repeatable extends Asked {
  /** Identifies the operation in its account for ever (README §7). */
  readonly idempotencyDigest: Digest;
  /** The digest of the payload: another payload under the same idempotency key is refused. */
  readonly fingerprint: Digest;
  readonly description: string | null;
  /** A JSON object as text, with its members in the order of the request. */
  readonly metadata: string | null;
}

export interface GrantTerms {
  readonly category: Category;
  /** 0 … 100, lower burns first. */
  readonly priority: number;
  /** The instant from which it can be spent. */
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

/** The members that a charge and a hold share. */
interface Spending extends Repeatable {
  readonly amount: bigint;
  /** The product that is used; a grant with `appliesTo` pays only for the scopes that it names. */
  readonly scope: string | null;
  /** The customer's key that makes the call. Its state is judged under the account's lock. */
  readonly apiKeyId: string | null;
  /** The SHA-256, in hex, of the secret that the customer sent; null: the operator named the key. */
  readonly keySecret: string | null;
  /** The use of a priced route, as JSON (`CallText`); absent: no gateway made the operation. */
  readonly call?: string;
}

export interface ChargeOperation extends Spending {
  readonly kind: 'charge';
  /**
   * The use was delivered already, and its hold has ended. Account status, key, scope, spend limits and
   * credit do not refuse the charge, and it may take the account below zero. No HTTP route sets it.
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
  /** As in a charge. */
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
  /** Above 0; null: the rest of the charge. */
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

/** Moves the expiry of a grant to a later instant. */
export interface GrantExtensionOperation extends Asked {
  readonly kind: 'grant_extension';
  readonly grant: bigint;
  /** Null: never. */
  readonly expiresAt: number | null;
}

/** Books the events that have become due, and nothing else. */
export interface AdvanceOperation extends Asked {
  readonly kind: 'advance';
}

interface AskedOperations {
  readonly grant: GrantOperation;
  readonly grant_extension: GrantExtensionOperation;
  readonly grant_void: GrantVoidOperation;
  readonly charge: ChargeOperation;
  readonly hold: HoldOperation;
  readonly capture: CaptureOperation;
  readonly hold_void: HoldVoidOperation;
  readonly reversal: ReversalOperation;
  readonly adjustment: AdjustmentOperation;
}

export type Operation = AskedOperations[AskedKind] | AdvanceOperation;
export type RepeatableOperation = AskedOperations[AskedKind & RepeatableKind];
export type SpendOperation = ChargeOperation | HoldOperation;

/** Whether an operation carries an idempotency key. */
export function isRepeatable(operation: Operation): operation is RepeatableOperation {
  return operation.kind !== 'advance' && KINDS[operation.kind].isRepeatable;
}

/** Whether an operation spends with a customer's key: it may name the key and the secret that was sent. */
export function isSpending(operation: Operation): operation is SpendOperation {
  return operation.kind === 'charge' || operation.kind === 'hold';
}

/** The subject of an operation, by its number; undefined: it is about none. */
export function subjectOf(operation: Operation): { thing: Thing; number: bigint } | undefined {
  switch (operation.kind) {
    case 'capture':
    case 'hold_void':
      return { thing: 'hold', number: operation.hold };
    case 'reversal':
      return { thing: 'charge', number: operation.charge };
    case 'grant_void':
    case 'grant_extension':
      return { thing: 'grant', number: operation.grant };
    case 'grant':
    case 'charge':
    case 'hold':
    case 'adjustment':
    case 'advance':
      return undefined;
    default:
      return assertNever(operation);
  }
}

/** Ends a switch over kinds: a kind without a case fails to compile. */
export function assertNever(operation: never): never {
  throw new Error(`bug: no rule for ${(operation as { kind: string }).kind}`);
}

/** The content of an operation's `call`, as JSON. */
export interface CallText {
  readonly route: string;
  /** The version of the price book. */
  readonly version: number;
  /** Decimal numbers. */
  readonly quantities: Readonly<Record<string, string>>;
  /** The members of the request that chose a price, with their values. The oldest calls have none. */
  readonly choices?: Readonly<Record<string, string>>;
  /** The latest end of the call, in milliseconds since 1970. */
  readonly until: number;
  /** The hold of the call had expired before the charge. */
  readonly late?: true;
}

/** One line of an operation. */
export interface Entry {
  readonly amount: bigint;
  /** The grant whose credit moved; null is the overdraft line. */
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

/** The record of an operation, which a replay answers again. */
export interface Receipt {
  readonly kind: OperationKind;
  readonly account: AccountId;
  readonly accountPublicId: string;
  readonly number: bigint;
  /** Null: a release booked it that did not keep actors yet. */
  readonly actor: Actor | null;
  readonly at: number;
  /** Signed for an adjustment. */
  readonly amount: bigint;
  /** Posted minus held, after the operation and those that followed from it at the same instant. */
  readonly availableAfter: bigint;
  readonly scope: string | null;
  readonly apiKeyId: string | null;
  readonly description: string | null;
  readonly metadata: string | null;
  /** The use of a priced route, as JSON (`CallText`). */
  readonly call: string | null;
  /** Null: the kind is not repeatable. */
  readonly idempotencyDigest: Digest | null;
  readonly fingerprint: Digest | null;
  readonly entries: readonly Entry[];
  /** The number of the operation that this one is about. */
  readonly subject: bigint | null;
  /** For a hold and a grant, the expiry that they were made with; for an extension, the new expiry. */
  readonly expiresAt: number | null;
  /** For the void of a grant: the amount of it that open holds still reserve. */
  readonly remainingAfter: bigint | null;
  /** For an operation that made a grant or is about one: the terms that the grant was made with. */
  readonly terms: GrantTerms | null;
  /** For a capture, an overage and the void of a hold: the hold. */
  readonly hold: HoldTerms | null;
  /** For a capture: the second charge, for the cost above the hold. */
  readonly overage: { readonly number: bigint; readonly amount: bigint } | null;
}

/** The reason why the rules refuse an operation; the caller can act on it. */
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
  /** A new grant would expire before it is made or takes effect. */
  | { readonly code: 'expiry_passed' }
  /** The expiry of an extension is not later than the present one. */
  | { readonly code: 'expiry_not_later'; readonly expiresAt: number | null }
  | { readonly code: 'hold_not_found' }
  | { readonly code: 'hold_ended'; readonly by: HoldEnding; readonly at: number }
  | { readonly code: 'charge_not_found' }
  | { readonly code: 'reversal_exceeds_charge'; readonly left: bigint }
  | SpendLimitReached
  | InsufficientCredits;

export interface InsufficientCredits {
  readonly code: 'insufficient_credits';
  /** The credit that can pay for this operation, unused overdraft included; 0 in debt. */
  readonly available: bigint;
  readonly required: bigint;
  /** Credit of grants that do not pay for this scope. */
  readonly elsewhere: bigint;
  /** The debt beyond all credit; a grant must repay it before anything can be spent. */
  readonly debt: bigint;
}

export type SpendPeriod = 'day' | 'month' | 'total';

export interface SpendLimitReached {
  readonly code: 'spend_limit_reached';
  readonly of: 'account' | 'api_key';
  readonly period: SpendPeriod;
  readonly limit: bigint;
  readonly used: bigint;
  /** The end of the period; null for `total`. */
  readonly resetAt: number | null;
}

/** The reason why an operation has no outcome yet; the caller retries under the same idempotency key. */
export type FailureCode =
  /** The queue is full, or the account's share of it is. */
  | 'overloaded'
  /** Another node has held the account's lock for too long. */
  | 'account_busy'
  /** The database's clock is not reliable (clock.ts). */
  | 'clock_unreliable'
  /** PostgreSQL is unreachable; nothing was changed. */
  | 'database_unavailable'
  /** The connection was lost during the commit. */
  | 'outcome_unknown'
  /** The server is stopping, and accepts no new operation. */
  | 'stopping'
  /** A bug, which was logged. Nothing was changed. */
  | 'internal_error';

export type Outcome =
  | { readonly kind: 'recorded'; readonly receipt: Receipt }
  | { readonly kind: 'replayed'; readonly receipt: Receipt }
  /** The state was already as requested: nothing was recorded. */
  | { readonly kind: 'done' }
  | {
      readonly kind: 'refused';
      readonly refusal: Refusal;
      /** Posted minus held when it was judged; null: the account does not exist. */
      readonly available: bigint | null;
    }
  | { readonly kind: 'failed'; readonly code: FailureCode };
