import type { AccountId } from '../operations/ids.ts';
import type { HoldEnding } from '../operations/kinds.ts';
import type {
  Book,
  Category,
  Digest,
  GrantEnding,
  HoldTerms,
  Receipt,
  SpendPeriod,
} from '../operations/operations.ts';

/** The state of an account: the lane reads it under the account's lock, and `decide` changes it. */

export interface Grant {
  readonly number: bigint;
  readonly category: Category;
  /** The book that its credit came from, and returns to if the grant is voided. */
  readonly book: Book;
  readonly priority: number;
  readonly amount: bigint;
  readonly effectiveAt: number;
  expiresAt: number | null;
  readonly appliesTo: readonly string[] | null;
  /** False: it takes effect later, and `remaining` is not part of the posted balance yet. */
  started: boolean;
  remaining: bigint;
  /** The part of `remaining` that open holds reserve; it stays after the grant has ended. */
  reserved: bigint;
  ended: { readonly at: number; readonly by: GrantEnding } | null;
}

/** The part of a charge or hold that one grant pays or reserves. */
export interface Slice {
  /** Null is the overdraft line. */
  readonly grant: bigint | null;
  readonly amount: bigint;
}

/** An open hold. */
export interface Hold extends HoldTerms {
  /** Its reservations, in burn order. */
  readonly slices: readonly Slice[];
}

/** A charge that an operation reverses. */
export interface ChargeFacts {
  readonly number: bigint;
  readonly amount: bigint;
  readonly scope: string | null;
  readonly apiKeyId: string | null;
  /** The instant in whose periods it counted towards spend limits; for a capture, that of its hold. */
  readonly countedAt: number;
  /** The amounts that grants and the overdraft line paid, in burn order. */
  readonly payers: readonly Slice[];
  reversed: bigint;
}

/** A spend limit with its counter. */
export interface SpendLimit {
  /** The id of the account, or of one of its keys. */
  readonly holder: string;
  readonly period: SpendPeriod;
  readonly amount: bigint;
  /** The amount spent and held since `periodStart`. */
  used: bigint;
  periodStart: number;
}

/** The facts that decide whether a customer's key may spend. */
export interface KeyFacts {
  readonly account: AccountId;
  readonly scopes: readonly string[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** The facts that decide whether a customer's secret is valid. */
export interface SecretFacts {
  readonly apiKeyId: string;
  /** The end of its grace period after a rotation; null: it is the present secret of the key. */
  readonly validUntil: number | null;
}

/** The facts that decide whether an operator key may act. */
export interface OperatorKeyFacts {
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

export interface AccountState {
  readonly account: AccountId;
  readonly publicId: string;
  readonly status: 'active' | 'suspended';
  readonly overdraftLimit: bigint;
  /** The debt of the overdraft line. Below 0, the line has credit: a reversal gave it back (README §4). */
  overdraftUsed: bigint;
  overdraftReserved: bigint;
  posted: bigint;
  held: bigint;
  openHolds: number;
  /** The number of the account's latest operation; 0 if it has none. */
  lastNumber: bigint;
  /** The instant of the latest operation; no later operation has an earlier one. */
  lastAt: number;
  /** Never later than the next grant start, hold expiry or grant end; null: no event is to come. */
  nextDueAt: number | null;
  /**
   * The earliest expiry among all open holds that are not due yet; null: there is no such hold.
   * Undefined: it was not read, as nothing is due.
   */
  readonly nextHoldEnd: number | null | undefined;
  /** The grants with remaining credit and those that an operation names, in burn order. */
  readonly grants: Grant[];
  /** Open holds that are due or that an operation names. */
  readonly holds: Map<bigint, Hold>;
  /** The endings of holds that an operation names. */
  readonly endedHolds: Map<bigint, { readonly by: HoldEnding; readonly at: number }>;
  /** Charges that an operation names. */
  readonly charges: ReadonlyMap<bigint, ChargeFacts>;
  /** The limits of the account, and of the keys that the operations spend with. */
  readonly limits: readonly SpendLimit[];
  /** The receipts of earlier operations under the idempotency keys of the present ones. */
  readonly known: Map<Digest, Receipt>;
  readonly keys: ReadonlyMap<string, KeyFacts>;
  /** By SHA-256 in hex. */
  readonly secrets: ReadonlyMap<string, SecretFacts>;
  readonly operatorKeys: ReadonlyMap<string, OperatorKeyFacts>;
}

export function isPast(instant: number | null, at: number): boolean {
  return instant !== null && instant <= at;
}

export function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The earlier of two instants; null means never. */
export function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
