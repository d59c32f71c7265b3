import type { OperationKind } from '../operations/kinds.ts';
import {
  type Actor,
  type Book,
  type Digest,
  type Entry,
  type GrantTerms,
  type HoldTerms,
  type Outcome,
  type Receipt,
  SWEEPER,
} from '../operations/operations.ts';
import {
  type AccountState,
  earlier,
  type Grant,
  type Hold,
  isPast,
  type Slice,
  type SpendLimit,
  smaller,
} from './account-state.ts';
import { insertInBurnOrder, slicesFor } from './burn.ts';

/**
 * Changes to an account's state, with the entries that book them. They cannot fail: refuse.ts has checked
 * the operation before.
 */

/** The outcomes of an account's operations, and the changes to write. */
export interface Decision {
  /** One outcome for each operation, in their order. */
  readonly outcomes: Outcome[];
  /** The operations to append, in order of number. */
  readonly recorded: Receipt[];
  /** Grants that were made or changed, each once. */
  readonly grants: Set<Grant>;
  /** Holds that were made. */
  readonly opened: Set<Hold>;
  /** Holds that ended. */
  readonly closed: Set<Hold>;
  readonly limits: Set<SpendLimit>;
}

export function newDecision(): Decision {
  return {
    outcomes: [],
    recorded: [],
    grants: new Set(),
    opened: new Set(),
    closed: new Set(),
    limits: new Set(),
  };
}

/** An operation to record: a caller's, or one that follows or became due. */
interface Recorded {
  readonly kind: OperationKind;
  readonly actor: Actor;
  readonly description?: string | null;
  readonly metadata?: string | null;
  readonly idempotencyDigest?: Digest;
  readonly fingerprint?: Digest;
}

/** The members of a receipt that the state does not give. */
interface Booking {
  readonly amount: bigint;
  readonly entries: readonly Entry[];
  readonly scope?: string | null;
  readonly apiKeyId?: string | null;
  readonly call?: string | null;
  readonly subject?: bigint;
  readonly expiresAt?: number | null;
  readonly remainingAfter?: bigint;
  readonly terms?: GrantTerms;
  readonly hold?: HoldTerms;
  readonly overage?: Receipt['overage'];
}

type Written = { -readonly [Member in keyof Receipt]: Receipt[Member] };

/** Changes an account's state, and collects the changes in a decision. */
export class Posting {
  readonly state: AccountState;
  readonly decision: Decision;
  readonly #grants: Map<bigint, Grant>;
  /** The place of the first receipt since the last `settle`. */
  #since = 0;

  constructor(state: AccountState, decision: Decision) {
    this.state = state;
    this.decision = decision;
    this.#grants = new Map(state.grants.map((grant) => [grant.number, grant]));
  }

  /** The number of the next operation. */
  get next(): bigint {
    return this.state.lastNumber + 1n;
  }

  grant(number: bigint): Grant | undefined {
    return this.#grants.get(number);
  }

  record(at: number, recorded: Recorded, booking: Booking): Receipt {
    const { state } = this;
    state.lastNumber += 1n;
    state.lastAt = at;
    const receipt: Receipt = {
      kind: recorded.kind,
      account: state.account,
      accountPublicId: state.publicId,
      number: state.lastNumber,
      actor: recorded.actor,
      at,
      amount: booking.amount,
      availableAfter: state.posted - state.held,
      scope: booking.scope ?? null,
      apiKeyId: booking.apiKeyId ?? null,
      description: recorded.description ?? null,
      metadata: recorded.metadata ?? null,
      call: booking.call ?? null,
      idempotencyDigest: recorded.idempotencyDigest ?? null,
      fingerprint: recorded.fingerprint ?? null,
      entries: booking.entries,
      subject: booking.subject ?? null,
      expiresAt: booking.expiresAt ?? null,
      remainingAfter: booking.remainingAfter ?? null,
      terms: booking.terms ?? null,
      hold: booking.hold ?? null,
      overage: booking.overage ?? null,
    };
    if (receipt.idempotencyDigest !== null) state.known.set(receipt.idempotencyDigest, receipt);
    this.decision.recorded.push(receipt);
    return receipt;
  }

  /**
   * Ends an operation: its receipts, and those of the operations that followed from it at the same
   * instant, get the balance after all of them.
   */
  settle(): void {
    const available = this.state.posted - this.state.held;
    const { recorded } = this.decision;
    for (let index = this.#since; index < recorded.length; index += 1) {
      (recorded[index] as Written).availableAfter = available;
    }
    this.#since = recorded.length;
  }

  /** Adds a grant to the state; its credit is posted by `start`. */
  add(grant: Grant): void {
    insertInBurnOrder(this.state.grants, grant);
    this.#grants.set(grant.number, grant);
    this.decision.grants.add(grant);
  }

  /** Puts a grant into effect: it repays the overdraft first, and the rest of it can be spent. */
  start(grant: Grant): Entry[] {
    const owed = this.state.overdraftUsed > 0n ? this.state.overdraftUsed : 0n;
    const repaid = smaller(owed, grant.amount);
    const entries: Entry[] = [];
    grant.started = true;
    grant.remaining = 0n;
    this.#move(entries, grant, grant.amount - repaid, grant.book);
    this.#move(entries, null, repaid, grant.book);
    this.decision.grants.add(grant);
    return entries;
  }

  /** Ends a grant; the credit that no hold reserves leaves it. */
  end(grant: Grant, by: 'expiry' | 'void', at: number): Entry[] {
    grant.ended = { at, by };
    this.decision.grants.add(grant);
    if (grant.started) return this.#leave(grant);
    grant.remaining = 0n;
    return [];
  }

  /**
   * Books the end of a grant that is past its expiry, or the leaving of credit that came back into a grant
   * that has ended. A used-up grant does not end: the lane reads it at its expiry only by chance.
   */
  endOf(grant: Grant, at: number): void {
    if (grant.remaining === 0n) return;
    if (grant.ended === null && !isPast(grant.expiresAt, at)) return;
    const entries =
      grant.ended === null ? this.end(grant, 'expiry', grant.expiresAt ?? at) : this.#leave(grant);
    if (entries.length === 0) return;
    const amount = -sumOf(entries);
    const subject = grant.number;
    this.record(at, { kind: 'grant_end', actor: SWEEPER }, { amount, entries, subject });
  }

  /** Moves slices from their payers into a book. */
  burn(slices: readonly Slice[], book: Book): Entry[] {
    const entries: Entry[] = [];
    for (const { grant, amount } of slices) this.#move(entries, this.#payer(grant), -amount, book);
    return entries;
  }

  /** Moves slices from a book back to their payers. */
  refill(slices: readonly Slice[], book: Book): Entry[] {
    const entries: Entry[] = [];
    for (const { grant, amount } of slices) this.#move(entries, this.#payer(grant), amount, book);
    return entries;
  }

  /** Opens a hold, and reserves its amount in burn order. */
  reserve(terms: HoldTerms): void {
    const slices = slicesFor(this.state, terms.amount, { scope: terms.scope });
    for (const { grant, amount } of slices) this.#reserve(grant, amount);
    const hold: Hold = { slices, ...terms };
    this.state.held += hold.amount;
    this.state.openHolds += 1;
    this.state.holds.set(hold.number, hold);
    this.decision.opened.add(hold);
  }

  /** Closes a hold and gives back all its reservations; a capture burns its amount afterwards. */
  release(hold: Hold): void {
    for (const { grant, amount } of hold.slices) this.#reserve(grant, -amount);
    this.state.held -= hold.amount;
    this.state.openHolds -= 1;
    this.state.holds.delete(hold.number);
    if (!this.decision.opened.delete(hold)) this.decision.closed.add(hold);
  }

  /** Books the leaving of credit that a hold gave back to grants that have ended. */
  endReleased(hold: Hold, at: number): void {
    for (const { grant } of hold.slices) {
      const payer = this.#payer(grant);
      if (payer) this.endOf(payer, at);
    }
  }

  #payer(number: bigint | null): Grant | null {
    if (number === null) return null;
    const grant = this.#grants.get(number);
    if (!grant) throw new Error(`bug: grant ${number} was not read`);
    return grant;
  }

  #reserve(number: bigint | null, amount: bigint): void {
    const grant = this.#payer(number);
    if (!grant) {
      this.state.overdraftReserved += amount;
      return;
    }
    grant.reserved += amount;
    this.decision.grants.add(grant);
  }

  #leave(grant: Grant): Entry[] {
    const entries: Entry[] = [];
    const book = grant.ended?.by === 'expiry' ? 'breakage' : grant.book;
    this.#move(entries, grant, grant.reserved - grant.remaining, book);
    return entries;
  }

  #move(entries: Entry[], grant: Grant | null, amount: bigint, book: Book): void {
    if (amount === 0n) return;
    this.state.posted += amount;
    if (grant) {
      grant.remaining += amount;
      // The grant has credit again, so its expiry is an event to come.
      if (amount > 0n) this.state.nextDueAt = earlier(this.state.nextDueAt, grant.expiresAt);
      this.decision.grants.add(grant);
    } else {
      this.state.overdraftUsed -= amount;
    }
    entries.push({
      amount,
      grant: grant?.number ?? null,
      category: grant?.category ?? 'overdraft',
      book,
      postedAfter: this.state.posted,
    });
  }
}

/** The slices that make up the first `amount`, in their order. */
export function firstOf(slices: readonly Slice[], amount: bigint): Slice[] {
  const taken: Slice[] = [];
  let left = amount;
  for (const slice of slices) {
    const part = smaller(slice.amount, left);
    if (part > 0n) taken.push({ ...slice, amount: part });
    left -= part;
  }
  return taken;
}

export function sumOf(lines: readonly { readonly amount: bigint }[]): bigint {
  return lines.reduce((sum, { amount }) => sum + amount, 0n);
}
