import type { Operation, Refusal } from '../../src/ledger/operations.ts';

/**
 * The rules of money once more, as plainly as they can be said: an account is the list of its lines,
 * and whatever is asked is computed from all of them each time. Slow, and easy to check by eye.
 */

export interface Line {
  readonly number: number;
  /** The grant that moved; null is the overdraft. */
  readonly grant: number | null;
  readonly amount: bigint;
}

interface ModelGrant {
  readonly number: number;
  readonly priority: number;
  readonly expiresAt: number;
  readonly promotional: boolean;
  readonly appliesTo: readonly string[] | null;
}

export type ModelOutcome =
  | { readonly kind: 'recorded'; readonly number: number; readonly lines: Line[] }
  | { readonly kind: 'replayed'; readonly number: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export class Model {
  readonly lines: Line[] = [];
  readonly grants: ModelGrant[] = [];
  readonly #done = new Map<string, { number: number; fingerprint: string }>();
  readonly #overdraftLimit: bigint;
  readonly #suspended: boolean;

  constructor(overdraftLimit: bigint, suspended: boolean) {
    this.#overdraftLimit = overdraftLimit;
    this.#suspended = suspended;
  }

  get posted(): bigint {
    return sum(this.lines);
  }

  remaining(grant: number | null): bigint {
    return sum(this.lines.filter((line) => line.grant === grant));
  }

  perform(operation: Operation): ModelOutcome {
    const done = this.#done.get(operation.idempotencyDigest);
    if (done && done.fingerprint === operation.fingerprint) {
      return { kind: 'replayed', number: done.number };
    }
    if (done) return refused({ code: 'idempotency_key_reused' });
    const lines = operation.kind === 'grant' ? this.#grant(operation) : this.#charge(operation);
    if (!Array.isArray(lines)) return refused(lines);
    const number = this.#done.size + 1;
    this.#done.set(operation.idempotencyDigest, { number, fingerprint: operation.fingerprint });
    this.lines.push(...lines);
    return { kind: 'recorded', number, lines };
  }

  #grant(operation: Operation & { kind: 'grant' }): Line[] | Refusal {
    const number = this.#done.size + 1;
    if (this.posted + operation.amount >= 2n ** 63n) return { code: 'amount_too_large' };
    const { priority, expiresAt, category, appliesTo } = operation.terms;
    this.grants.push({
      number,
      priority,
      expiresAt: expiresAt ?? Number.MAX_SAFE_INTEGER,
      promotional: category === 'promotional',
      appliesTo,
    });
    const owed = -this.remaining(null);
    const repaid = owed < operation.amount ? owed : operation.amount;
    return [
      { number, grant: number, amount: operation.amount - repaid },
      { number, grant: null, amount: repaid },
    ].filter((line) => line.amount !== 0n);
  }

  #charge(operation: Operation & { kind: 'charge' }): Line[] | Refusal {
    if (this.#suspended) return { code: 'account_suspended' };
    const number = this.#done.size + 1;
    const payers = this.grants
      .filter(({ appliesTo }) => appliesTo === null || appliesTo.includes(operation.scope ?? '-'))
      .sort(
        (a, b) =>
          a.priority - b.priority ||
          a.expiresAt - b.expiresAt ||
          Number(b.promotional) - Number(a.promotional) ||
          a.number - b.number,
      );
    const unused = this.#overdraftLimit + this.remaining(null);
    const available = payers.reduce((total, { number: of }) => total + this.remaining(of), unused);
    if (available < operation.amount) {
      return { code: 'insufficient_credits', available, required: operation.amount };
    }
    const lines: Line[] = [];
    let unpaid = operation.amount;
    for (const payer of [...payers.map((grant) => grant.number), null]) {
      const has = payer === null ? unpaid : this.remaining(payer);
      const paid = has < unpaid ? has : unpaid;
      if (paid > 0n) lines.push({ number, grant: payer, amount: -paid });
      unpaid -= paid;
    }
    return lines;
  }
}

function refused(refusal: Refusal): ModelOutcome {
  return { kind: 'refused', refusal };
}

function sum(lines: readonly Line[]): bigint {
  return lines.reduce((total, line) => total + line.amount, 0n);
}
