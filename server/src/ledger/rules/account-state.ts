import type { AccountId } from '../operations/ids.ts';
import type {
  Book,
  Category,
  Digest,
  GrantEnding,
  HoldEnding,
  HoldTerms,
  Receipt,
  SpendPeriod,
} from '../operations/operations.ts';

/** An account as the rules see it: read under its lock, and moved forward by `decide`. */

export interface Grant {
  readonly number: bigint;
  readonly category: Category;
  /** Where it came from, and where a void sends it back. */
  readonly book: Book;
  readonly priority: number;
  readonly amount: bigint;
  readonly effectiveAt: number;
  expiresAt: number | null;
  readonly appliesTo: readonly string[] | null;
  /** False: it is still to come, and `remaining` is not yet part of what is posted. */
  started: boolean;
  remaining: bigint;
  /** The part of `remaining` that open holds have reserved; it outlives the grant's end. */
  reserved: bigint;
  ended: { readonly at: number; readonly by: GrantEnding } | null;
}

/** A part of a charge or a hold: what it takes of one grant. */
export interface Slice {
  /** Null is the overdraft line. */
  readonly grant: bigint | null;
  readonly amount: bigint;
}

/** An open hold. */
export interface Hold extends HoldTerms {
  /** What it reserves, in burn order. */
  readonly slices: readonly Slice[];
}

/** A charge that is to be reversed. */
export interface ChargeFacts {
  readonly number: bigint;
  readonly amount: bigint;
  readonly scope: string | null;
  readonly apiKeyId: string | null;
  /** When it counted towards spend limits: of a capture, when its hold was made. */
  readonly countedAt: number;
  /** Who paid, in burn order. */
  readonly payers: readonly Slice[];
  reversed: bigint;
}

/** A spend limit with its counter. */
export interface SpendLimit {
  /** The account, or one of its keys. */
  readonly holder: string;
  readonly period: SpendPeriod;
  readonly amount: bigint;
  /** What counts since `periodStart`. */
  used: bigint;
  periodStart: number;
}

/** What the ledger must know of a customer's key that an operation names. */
export interface KeyFacts {
  readonly account: AccountId;
  readonly scopes: readonly string[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** What the ledger must know of a secret that a customer sent. */
export interface SecretFacts {
  readonly apiKeyId: string;
  /** The end of its grace after a rotation; null: it is the key's present one. */
  readonly validUntil: number | null;
}

/** What the ledger must know of the operator key that asks. */
export interface OperatorKeyFacts {
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

export interface AccountState {
  readonly account: AccountId;
  readonly publicId: string;
  readonly status: 'active' | 'suspended';
  readonly overdraftLimit: bigint;
  /** Minus what the overdraft line has; a reversal may lift that above 0. */
  overdraftUsed: bigint;
  overdraftReserved: bigint;
  posted: bigint;
  held: bigint;
  openHolds: number;
  /** The number of the account's latest operation; 0 if it has none. */
  lastNumber: bigint;
  /** The instant of the latest operation; time never goes back behind it. */
  lastAt: number;
  /** Not later than the next grant start, hold end or grant end; null: nothing is coming. */
  nextDueAt: number | null;
  /**
   * When the next open hold ends that is not due, whether it is in `holds` or not; null: there is none.
   * Undefined: not read, as nothing is due.
   */
  readonly nextHoldEnd: number | null | undefined;
  /** In burn order: all with something remaining, and those that an operation names. */
  readonly grants: Grant[];
  /** Open holds that are due or that an operation names. */
  readonly holds: Map<bigint, Hold>;
  /** How holds ended that an operation names. */
  readonly endedHolds: Map<bigint, { readonly by: HoldEnding; readonly at: number }>;
  /** Charges that an operation names. */
  readonly charges: ReadonlyMap<bigint, ChargeFacts>;
  /** The account's own limits, and those of the keys that matter here. */
  readonly limits: readonly SpendLimit[];
  /** Receipts under the idempotency keys that the operations carry. */
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

/** The earlier of two instants; null is never. */
export function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
