import type { OperationKind } from '../../src/ledger/operations/kinds.ts';
import { LARGEST_AMOUNT } from '../../src/ledger/operations/money.ts';
import {
  type Book,
  type InsufficientCredits,
  isRepeatable,
  type Operation,
  type Refusal,
  type SpendPeriod,
} from '../../src/ledger/operations/operations.ts';

/**
 * A second, plain version of the rules of money. An account is the list of its lines, holds and charges,
 * and each answer is computed from all of them. That is slow, and easy to check by eye.
 *
 * The model may take names, subjects and repeatability from the table of kinds. It must not take its
 * arithmetic: a rule that both sides read from one place would be compared with itself.
 */

export interface Line {
  /** The grant whose credit moved; null is the overdraft. */
  readonly grant: number | null;
  readonly amount: bigint;
  readonly book: Book;
}

export interface Booked {
  readonly number: number;
  readonly kind: OperationKind;
  readonly at: number;
  readonly amount: bigint;
  readonly subject: number | null;
  readonly lines: readonly Line[];
}

interface Part {
  readonly grant: number | null;
  readonly amount: bigint;
}

interface ModelGrant {
  readonly number: number;
  readonly amount: bigint;
  readonly book: Book;
  readonly priority: number;
  readonly promotional: boolean;
  readonly appliesTo: readonly string[] | null;
  readonly effectiveAt: number;
  expiresAt: number;
  started: boolean;
  ended: { by: 'expiry' | 'void'; at: number } | null;
}

interface ModelHold {
  readonly number: number;
  readonly at: number;
  readonly amount: bigint;
  readonly expiresAt: number;
  readonly scope: string | null;
  readonly key: string | null;
  readonly parts: readonly Part[];
  ended: { by: 'capture' | 'void' | 'expiry'; at: number } | null;
}

interface ModelCharge {
  readonly number: number;
  readonly amount: bigint;
  readonly parts: readonly Part[];
  readonly countedAt: number;
  readonly key: string | null;
  /** The parts that reversals gave back, in order. */
  readonly returned: Part[];
}

interface ModelLimit {
  /** Null: a limit of the account. */
  readonly key: string | null;
  readonly period: SpendPeriod;
  readonly amount: bigint;
}

const NEVER = Number.MAX_SAFE_INTEGER;

export type ModelOutcome =
  | { readonly kind: 'recorded' | 'replayed'; readonly number: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export interface ModelOptions {
  readonly suspended: boolean;
  readonly limits: readonly ModelLimit[];
}

export class Model {
  readonly booked: Booked[] = [];
  readonly grants: ModelGrant[] = [];
  readonly holds: ModelHold[] = [];
  readonly charges: ModelCharge[] = [];
  /** The operator may change it between operations. */
  overdraftLimit = 0n;
  /** The number of operations that debt refused although credit could have paid for them. */
  stoppedByDebt = 0;
  readonly #options: ModelOptions;
  readonly #done = new Map<string, { number: number; fingerprint: string }>();

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  get posted(): bigint {
    return sum(this.#lines());
  }

  get held(): bigint {
    return sum(this.openHolds);
  }

  get openHolds(): ModelHold[] {
    return this.holds.filter(({ ended }) => ended === null);
  }

  remaining(grant: number | null): bigint {
    return sum(this.#lines().filter((line) => line.grant === grant));
  }

  reserved(grant: number | null): bigint {
    const parts = this.openHolds.flatMap((hold) => hold.parts);
    return sum(parts.filter((part) => part.grant === grant));
  }

  used({ key, period }: { key: string | null; period: SpendPeriod }, at: number): bigint {
    const counts = (of: string | null, then: number) =>
      (key === null || key === of) && startOf(period, then) === startOf(period, at);
    const charged = this.charges
      .filter((charge) => counts(charge.key, charge.countedAt))
      .reduce((total, charge) => total + charge.amount - sum(charge.returned), 0n);
    return charged + sum(this.openHolds.filter((hold) => counts(hold.key, hold.at)));
  }

  /** Books the events that are due by `now`, the earliest first. */
  pass(now: number): void {
    for (;;) {
      const due = [
        ...this.grants
          .filter(({ started, ended }) => !started && !ended)
          .map((grant) => ({ at: grant.effectiveAt, order: 0, of: grant.number, grant })),
        ...this.openHolds.map((hold) => ({ at: hold.expiresAt, order: 1, of: hold.number, hold })),
        ...this.grants
          .filter(({ ended, number }) => !ended && this.remaining(number) > 0n)
          .map((grant) => ({ at: grant.expiresAt, order: 2, of: grant.number, grant })),
      ]
        .filter(({ at }) => at <= now)
        .sort((a, b) => a.at - b.at || a.order - b.order || a.of - b.of)[0];
      if (!due) return;
      if ('hold' in due) {
        due.hold.ended = { by: 'expiry', at: due.at };
        this.#book('hold_expiry', due.at, due.hold.amount, due.of, []);
        this.#leave(due.hold.parts, due.at);
      } else if (due.order === 0) {
        this.#book('grant_start', due.at, due.grant.amount, due.of, this.#start(due.grant));
      } else {
        this.#leave([{ grant: due.of, amount: 0n }], due.at);
      }
    }
  }

  perform(operation: Operation, at: number): ModelOutcome {
    if (isRepeatable(operation)) {
      const done = this.#done.get(operation.idempotencyDigest);
      if (done) {
        return done.fingerprint === operation.fingerprint
          ? { kind: 'replayed', number: done.number }
          : { kind: 'refused', refusal: { code: 'idempotency_key_reused' } };
      }
    }
    const result = this.#perform(operation, at);
    if (result === 'done') return { kind: 'done' };
    if (typeof result !== 'number') return { kind: 'refused', refusal: result };
    if (isRepeatable(operation)) {
      const { idempotencyDigest, fingerprint } = operation;
      this.#done.set(idempotencyDigest, { number: result, fingerprint });
    }
    return { kind: 'recorded', number: result };
  }

  #perform(operation: Operation, at: number): number | Refusal | 'done' {
    switch (operation.kind) {
      case 'grant': {
        const { effectiveAt, expiresAt, category, ...terms } = operation.terms;
        const effective = effectiveAt === null || effectiveAt < at ? at : effectiveAt;
        if (expiresAt !== null && expiresAt <= effective) return { code: 'expiry_passed' };
        if (this.#isTooLarge(operation.amount)) return { code: 'amount_too_large' };
        return this.#make('grant', at, {
          ...terms,
          amount: operation.amount,
          promotional: category === 'promotional',
          book: category === 'promotional' ? 'promotion' : 'funding',
          effectiveAt: effective,
          expiresAt: expiresAt ?? NEVER,
        });
      }
      case 'charge': {
        const refusal = operation.late
          ? this.#refuseLate(operation, at)
          : this.#refuse(operation, at);
        return refusal ?? this.#charge('charge', operation, at);
      }
      case 'hold': {
        const refusal = this.#refuse(operation, at);
        if (refusal) return refusal;
        const number = this.#next;
        this.holds.push({
          number,
          at,
          amount: operation.amount,
          expiresAt: at + operation.expiresInMs,
          scope: operation.scope,
          key: operation.apiKeyId,
          parts: this.#payers(operation.amount, operation.scope),
          ended: null,
        });
        return this.#book('hold', at, operation.amount, null, []);
      }
      case 'capture':
        return this.#capture(operation, at);
      case 'hold_void': {
        const hold = this.holds.find(({ number }) => BigInt(number) === operation.hold);
        if (!hold) return { code: 'hold_not_found' };
        if (hold.ended) return { code: 'hold_ended', ...hold.ended };
        hold.ended = { by: 'void', at };
        const number = this.#book('hold_void', at, hold.amount, hold.number, []);
        this.#leave(hold.parts, at);
        return number;
      }
      case 'reversal':
        return this.#reverse(operation, at);
      case 'adjustment':
        return this.#adjust(operation, at);
      case 'grant_void': {
        const grant = this.#liveGrant(operation.grant, at);
        if ('code' in grant) return grant;
        const leaving = this.remaining(grant.number) - this.reserved(grant.number);
        grant.ended = { by: 'void', at };
        const lines = [{ grant: grant.number, amount: -leaving, book: grant.book }];
        return this.#book('grant_void', at, leaving, grant.number, lines);
      }
      case 'grant_extension': {
        const grant = this.#liveGrant(operation.grant, at);
        if ('code' in grant) return grant;
        const expiresAt = operation.expiresAt ?? NEVER;
        if (expiresAt === grant.expiresAt) return 'done';
        if (expiresAt < grant.expiresAt) {
          const present = grant.expiresAt === NEVER ? null : grant.expiresAt;
          return { code: 'expiry_not_later', expiresAt: present };
        }
        grant.expiresAt = expiresAt;
        return this.#book('grant_extension', at, 0n, grant.number, []);
      }
      case 'advance':
        return 'done';
    }
  }

  #capture(operation: Operation & { kind: 'capture' }, at: number): number | Refusal {
    const hold = this.holds.find(({ number }) => BigInt(number) === operation.hold);
    if (!hold) return { code: 'hold_not_found' };
    if (hold.ended) return { code: 'hold_ended', ...hold.ended };
    const { amount, parts, scope, key } = hold;
    const over = operation.amount > amount ? operation.amount - amount : 0n;
    if (over > 0n && this.#isUncountable(key, over, at)) return { code: 'amount_too_large' };
    const refusal = over > 0n ? this.#cannotPay(over, scope) : undefined;
    if (refusal) {
      return { ...refusal, available: refusal.available + amount, required: operation.amount };
    }
    hold.ended = { by: 'capture', at };
    const paid = operation.amount - over;
    const payers = first(parts, paid);
    const { number: subject } = hold;
    const number = this.#pay('capture', { amount: paid, key, countedAt: hold.at }, payers, {
      at,
      subject,
    });
    if (over > 0n) {
      const overpayers = this.#payers(over, scope);
      this.#pay('overage', { amount: over, key, countedAt: at }, overpayers, { at, subject });
    }
    this.#leave(parts, at);
    return number;
  }

  /** Refills the payers from the last to the first. */
  #reverse(operation: Operation & { kind: 'reversal' }, at: number): number | Refusal {
    const charge = this.charges.find(({ number }) => BigInt(number) === operation.charge);
    if (!charge) return { code: 'charge_not_found' };
    const left = charge.amount - sum(charge.returned);
    const amount = operation.amount ?? left;
    if (left === 0n || amount > left) return { code: 'reversal_exceeds_charge', left };
    if (this.#isTooLarge(amount)) return { code: 'amount_too_large' };
    const returned: Part[] = [];
    let missing = amount;
    for (const part of charge.parts.toReversed()) {
      const before = sum(charge.returned.filter(({ grant }) => grant === part.grant));
      const back = min(part.amount - before, missing);
      if (back > 0n) returned.push({ grant: part.grant, amount: back });
      missing -= back;
    }
    charge.returned.push(...returned);
    const lines = returned.map((part) => ({ ...part, book: 'revenue' as const }));
    const number = this.#book('reversal', at, amount, charge.number, lines);
    this.#leave(returned, at);
    return number;
  }

  #adjust(operation: Operation & { kind: 'adjustment' }, at: number): number | Refusal {
    if (operation.amount > 0n) {
      if (this.#isTooLarge(operation.amount)) return { code: 'amount_too_large' };
      return this.#make('adjustment', at, {
        amount: operation.amount,
        priority: 50,
        promotional: operation.category === 'promotional',
        book: 'adjustment',
        appliesTo: null,
        effectiveAt: at,
        expiresAt: NEVER,
      });
    }
    const required = -operation.amount;
    if (this.#owedAfter(required, 'any') > LARGEST_AMOUNT) return { code: 'amount_too_large' };
    const balance = this.posted - this.held;
    if (required > balance && !operation.allowNegative) {
      return { ...insufficient(balance, required), elsewhere: 0n };
    }
    const lines = this.#payers(required, 'any').map((part) => minus(part, 'adjustment'));
    return this.#book('adjustment', at, operation.amount, null, lines);
  }

  #make(
    kind: 'grant' | 'adjustment',
    at: number,
    terms: Omit<ModelGrant, 'number' | 'started' | 'ended'>,
  ): number {
    const grant: ModelGrant = { ...terms, number: this.#next, started: false, ended: null };
    const lines = terms.effectiveAt > at ? [] : this.#start(grant);
    this.grants.push(grant);
    return this.#book(kind, at, terms.amount, null, lines);
  }

  /** Repays the debt of the overdraft line first. */
  #start(grant: ModelGrant): Line[] {
    grant.started = true;
    const owed = -this.remaining(null);
    const repaid = min(owed > 0n ? owed : 0n, grant.amount);
    return [
      { grant: grant.number, amount: grant.amount - repaid, book: grant.book },
      { grant: null, amount: repaid, book: grant.book },
    ];
  }

  #charge(kind: 'charge', operation: Operation & { kind: 'charge' }, at: number): number {
    const { amount, scope, apiKeyId: key } = operation;
    return this.#pay(kind, { amount, key, countedAt: at }, this.#payers(amount, scope), {
      at,
      subject: null,
    });
  }

  #pay(
    kind: 'charge' | 'capture' | 'overage',
    charge: Pick<ModelCharge, 'amount' | 'key' | 'countedAt'>,
    parts: Part[],
    { at, subject }: { at: number; subject: number | null },
  ): number {
    this.charges.push({ ...charge, number: this.#next, parts, returned: [] });
    const lines = parts.map((part) => minus(part, 'revenue'));
    return this.#book(kind, at, charge.amount, subject, lines);
  }

  #refuse(operation: Operation & { kind: 'charge' | 'hold' }, at: number): Refusal | undefined {
    const { amount, scope, apiKeyId: key } = operation;
    if (this.#options.suspended) return { code: 'account_suspended' };
    if (operation.kind === 'hold' && this.held + amount > LARGEST_AMOUNT) {
      return { code: 'amount_too_large' };
    }
    for (const limit of this.#options.limits) {
      if (limit.key !== null && limit.key !== key) continue;
      const used = this.used(limit, at);
      if (amount === 0n || used + amount <= limit.amount) continue;
      return {
        code: 'spend_limit_reached',
        of: limit.key === null ? 'account' : 'api_key',
        period: limit.period,
        limit: limit.amount,
        used,
        resetAt: endOf(limit.period, at),
      };
    }
    return this.#cannotPay(amount, scope);
  }

  /** Debt beyond the limit of the line reduces all credit. */
  #cannotPay(amount: bigint, scope: string | null): InsufficientCredits | undefined {
    const line = this.overdraftLimit + this.remaining(null) - this.reserved(null);
    const left = this.#credit(scope) + line;
    if (amount === 0n || amount <= left) return undefined;
    if (amount <= this.#credit(scope)) this.stoppedByDebt += 1;
    const elsewhere = this.#credit('any') - this.#credit(scope);
    return { ...insufficient(left, amount), elsewhere };
  }

  /** Refuses a late charge only if a sum would exceed int64. */
  #refuseLate(operation: Operation & { kind: 'charge' }, at: number): Refusal | undefined {
    const { amount, scope, apiKeyId: key } = operation;
    const owed = this.#owedAfter(amount, scope);
    const isTooLarge = owed > LARGEST_AMOUNT || this.#isUncountable(key, amount, at);
    return isTooLarge ? { code: 'amount_too_large' } : undefined;
  }

  /** The debt of the line, with its reservations, after the payment of an amount. */
  #owedAfter(amount: bigint, scope: string | null): bigint {
    const ofTheLine = sum(this.#payers(amount, scope).filter(({ grant }) => grant === null));
    return this.reserved(null) - this.remaining(null) + ofTheLine;
  }

  #isUncountable(key: string | null, amount: bigint, at: number): boolean {
    return this.#options.limits
      .filter((limit) => limit.key === null || limit.key === key)
      .some((limit) => this.used(limit, at) + amount > LARGEST_AMOUNT);
  }

  #liveGrant(number: bigint, at: number): ModelGrant | Refusal {
    const grant = this.grants.find((known) => BigInt(known.number) === number);
    if (!grant) return { code: 'grant_not_found' };
    if (grant.ended) return { code: 'grant_ended', ...grant.ended };
    return grant.expiresAt <= at
      ? { code: 'grant_ended', by: 'expiry', at: grant.expiresAt }
      : grant;
  }

  #isTooLarge(amount: bigint): boolean {
    const toCome = this.grants.filter(({ started, ended }) => !started && !ended);
    return this.posted + sum(toCome) + amount > LARGEST_AMOUNT;
  }

  #inEffect(scope: string | null): ModelGrant[] {
    return this.grants.filter(
      ({ started, ended, appliesTo }) =>
        started &&
        !ended &&
        (scope === 'any' || appliesTo === null || appliesTo.includes(scope ?? '-')),
    );
  }

  #credit(scope: string | null): bigint {
    return this.#inEffect(scope).reduce(
      (total, { number }) => total + this.remaining(number) - this.reserved(number),
      0n,
    );
  }

  #payers(amount: bigint, scope: string | null): Part[] {
    const inOrder = this.#inEffect(scope).sort(
      (a, b) =>
        a.priority - b.priority ||
        a.expiresAt - b.expiresAt ||
        Number(b.promotional) - Number(a.promotional) ||
        a.number - b.number,
    );
    const all = inOrder.map(({ number }) => ({
      grant: number as number | null,
      amount: this.remaining(number) - this.reserved(number),
    }));
    return first([...all, { grant: null, amount }], amount);
  }

  /** Books the leaving of unreserved credit from grants that have ended or are past their expiry. */
  #leave(parts: readonly Part[], at: number): void {
    for (const { grant: number } of parts) {
      const grant = this.grants.find((known) => known.number === number);
      if (!grant || (!grant.ended && grant.expiresAt > at)) continue;
      grant.ended ??= { by: 'expiry', at: grant.expiresAt };
      const leaving = this.remaining(grant.number) - this.reserved(grant.number);
      if (leaving === 0n) continue;
      const book = grant.ended.by === 'expiry' ? 'breakage' : grant.book;
      const lines = [{ grant: grant.number, amount: -leaving, book }];
      this.#book('grant_end', at, leaving, grant.number, lines);
    }
  }

  get #next(): number {
    return this.booked.length + 1;
  }

  #book(
    kind: OperationKind,
    at: number,
    amount: bigint,
    subject: number | null,
    lines: readonly Line[],
  ): number {
    const moved = lines.filter((line) => line.amount !== 0n);
    this.booked.push({ number: this.#next, kind, at, amount, subject, lines: moved });
    return this.booked.length;
  }

  #lines(): Line[] {
    return this.booked.flatMap(({ lines }) => lines);
  }
}

function insufficient(left: bigint, required: bigint) {
  const available = left > 0n ? left : 0n;
  return { code: 'insufficient_credits', available, required, debt: available - left } as const;
}

function minus({ grant, amount }: Part, book: Book): Line {
  return { grant, amount: -amount, book };
}

function first(parts: readonly Part[], amount: bigint): Part[] {
  let left = amount;
  return parts.flatMap((part) => {
    const taken = min(part.amount, left);
    left -= taken;
    return taken > 0n ? [{ ...part, amount: taken }] : [];
  });
}

function startOf(period: SpendPeriod, at: number): string {
  const text = new Date(at).toISOString();
  return period === 'total' ? '' : text.slice(0, period === 'day' ? 10 : 7);
}

function endOf(period: SpendPeriod, at: number): number | null {
  if (period === 'total') return null;
  let end = at - (at % 3_600_000);
  while (startOf(period, end) === startOf(period, at)) end += 3_600_000;
  return end;
}

function sum(lines: readonly { readonly amount: bigint }[]): bigint {
  return lines.reduce((total, { amount }) => total + amount, 0n);
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
