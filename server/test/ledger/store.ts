import type { Operation, Receipt } from '../../src/ledger/operations/operations.ts';
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
 * What a database would keep of an account: only what a decision lists is written, and only what a
 * lane would ask for is read.
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

  /** The account as a batch of these operations reads it at an instant. */
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
      if ('grant' in operation) named.add(operation.grant);
      if ('hold' in operation) this.#readHold(state, operation.hold);
      if ('charge' in operation) this.#readCharge(state, operation.charge, named);
      if ('idempotencyDigest' in operation) {
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
    const ending = this.receipts.find(
      ({ kind, subject }) =>
        subject === number &&
        (kind === 'capture' || kind === 'hold_void' || kind === 'hold_expiry'),
    );
    if (!ending) return;
    const by = { capture: 'capture', hold_void: 'void', hold_expiry: 'expiry' } as const;
    state.endedHolds.set(number, { by: by[ending.kind as keyof typeof by], at: ending.at });
  }

  #readCharge(state: AccountState, number: bigint, named: Set<bigint>): void {
    const charge = this.receipts.find((receipt) => receipt.number === number);
    if (!charge || !['charge', 'capture', 'overage'].includes(charge.kind)) return;
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
