import { CHARGE_KINDS, KINDS, type KindFacts } from '../../src/ledger/operations/kinds.ts';
import {
  isRepeatable,
  type Operation,
  type Receipt,
  subjectOf,
} from '../../src/ledger/operations/operations.ts';
import type {
  AccountState,
  Grant,
  Hold,
  SpendLimit,
} from '../../src/ledger/rules/account-state.ts';
import { inBurnOrder } from '../../src/ledger/rules/burn.ts';
import type { Decision } from '../../src/ledger/rules/posting.ts';
import { account } from './account.ts';

/**
 * A store in memory in the place of PostgreSQL. It writes only the changes that a decision lists, and
 * reads only the rows that a lane would read.
 */
export class Store {
  readonly receipts: Receipt[] = [];
  readonly grants = new Map<bigint, Grant>();
  readonly holds = new Map<bigint, Hold>();
  readonly limits: SpendLimit[];
  balance: AccountState;

  constructor(balance: Partial<AccountState>) {
    this.balance = account(balance);
    this.limits = [...this.balance.limits];
  }

  /** The state that a batch of these operations would read at an instant. */
  read(operations: readonly Operation[], now: number): AccountState {
    const { nextDueAt } = this.balance;
    const isDue = nextDueAt !== null && nextDueAt <= now;
    const named = new Set<bigint>();
    const state: AccountState = {
      ...this.balance,
      nextHoldEnd: isDue ? this.#nextHoldEnd(now) : null,
      grants: [],
      holds: new Map(),
      endedHolds: new Map(),
      charges: new Map(),
      known: new Map(),
      limits: this.limits.map((limit) => ({ ...limit })),
    };
    for (const operation of operations) {
      const subject = subjectOf(operation);
      if (subject?.thing === 'grant') named.add(subject.number);
      if (subject?.thing === 'hold') this.#readHold(state, subject.number);
      if (subject?.thing === 'charge') this.#readCharge(state, subject.number, named);
      if (isRepeatable(operation)) {
        const known = this.receipts.find(
          (receipt) => receipt.idempotencyDigest === operation.idempotencyDigest,
        );
        if (known) state.known.set(operation.idempotencyDigest, known);
      }
    }
    for (const hold of this.holds.values()) {
      if (isDue && hold.expiresAt <= now) state.holds.set(hold.number, hold);
    }
    for (const grant of this.grants.values()) {
      if (grant.remaining > 0n || named.has(grant.number)) state.grants.push({ ...grant });
    }
    state.grants.sort(inBurnOrder);
    return state;
  }

  write(state: AccountState, decision: Decision): void {
    this.receipts.push(...decision.recorded);
    for (const grant of decision.grants) this.grants.set(grant.number, { ...grant });
    for (const hold of decision.opened) this.holds.set(hold.number, hold);
    for (const hold of decision.closed) this.holds.delete(hold.number);
    for (const limit of decision.limits) {
      const place = this.limits.findIndex(
        ({ holder, period }) => holder === limit.holder && period === limit.period,
      );
      this.limits[place] = { ...limit };
    }
    this.balance = { ...state };
  }

  #nextHoldEnd(now: number): number | null {
    const coming = [...this.holds.values()].map(({ expiresAt }) => expiresAt);
    const ends = coming.filter((at) => at > now);
    return ends.length === 0 ? null : Math.min(...ends);
  }

  #readHold(state: AccountState, number: bigint): void {
    const open = this.holds.get(number);
    if (open) state.holds.set(number, open);
    for (const { kind, subject, at } of this.receipts) {
      const { endsHold: by }: KindFacts = KINDS[kind];
      if (subject === number && by) state.endedHolds.set(number, { by, at });
    }
  }

  #readCharge(state: AccountState, number: bigint, named: Set<bigint>): void {
    const charge = this.receipts.find((receipt) => receipt.number === number);
    if (!charge || !CHARGE_KINDS.includes(charge.kind)) return;
    const payers = charge.entries.map(({ grant, amount }) => ({ grant, amount: -amount }));
    for (const { grant } of payers) if (grant !== null) named.add(grant);
    const reversed = this.receipts
      .filter(({ subject }) => subject === number)
      .reduce((total, { amount }) => total + amount, 0n);
    const { amount, scope, apiKeyId, at } = charge;
    const countedAt = charge.kind === 'capture' ? (charge.hold?.at ?? at) : at;
    const facts = { number, amount, scope, apiKeyId, countedAt, payers, reversed };
    (state.charges as Map<bigint, typeof facts>).set(number, facts);
  }
}
