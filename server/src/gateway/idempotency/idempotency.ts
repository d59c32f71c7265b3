import { type Database, DatabaseUnavailable } from '../../db/connection/database.ts';
import { digestOf } from '../../ledger/operations/digest.ts';
import type { AccountId } from '../../ledger/operations/ids.ts';
import type { Digest } from '../../ledger/operations/operations.ts';
import { INSIST_FOR_MS, insist } from '../payment/insist.ts';
import { lateDigestOf } from '../payment/payment.ts';
import { longestOf, type Purchase } from '../payment/purchase.ts';
import type { Headers } from '../request/headers.ts';
import * as sql from './sql.ts';

/**
 * Idempotency keys of customers (adr/0008). One attempt runs at a time. A paid attempt uses the key: the
 * same request then gets the kept answer, or a refusal. A free attempt leaves no row.
 *
 * The row follows the ledger. If a server dies before it writes how an attempt ended, the next request
 * reads in the ledger whether that attempt was paid.
 */

/** A key and its answer are kept for this long. */
const KEEP_FOR_MS = 24 * 3_600_000;
const FORGET_EVERY_MS = 60_000;
const MOST_FORGOTTEN_AT_ONCE = 500;

/** An attempt's right to an idempotency key. */
export interface Claim {
  readonly account: AccountId;
  readonly digest: Digest;
  readonly payment: Digest;
}

/** A whole answer of an upstream. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** The answer of an earlier attempt, and the number of the charge that paid it. */
export interface Replay {
  readonly answer: KeptAnswer;
  readonly charge: bigint | null;
}

/** A request's idempotency key is used, or another attempt has it. */
export class KeyNotFree extends Error {
  readonly reason: 'reused' | 'in_progress' | 'already_answered';
  /** The charge of the attempt that used the key. */
  readonly charge: bigint | null;

  constructor(reason: KeyNotFree['reason'], charge: bigint | null = null) {
    super(reason);
    this.name = 'KeyNotFree';
    this.reason = reason;
    this.charge = charge;
  }
}

export class IdempotencyKeys {
  readonly #database: Database;
  readonly #log: { warn(details: object, message: string): void };
  #forgetting: NodeJS.Timeout | undefined;

  constructor(parts: {
    readonly database: Database;
    readonly log: { warn(details: object, message: string): void };
  }) {
    this.#database = parts.database;
    this.#log = parts.log;
  }

  /** Begins to delete expired keys at an interval. */
  start(): void {
    this.#forgetting = setInterval(() => void this.#forget(), FORGET_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#forgetting);
  }

  /**
   * Claims a key for a purchase. Resolves with the claim, or with the answer of an earlier attempt.
   * Rejects with KeyNotFree.
   */
  async claim(key: string, fingerprint: Digest, purchase: Purchase): Promise<Claim | Replay> {
    const { account, digest: payment, priced } = purchase;
    const digest = digestOfKey(key);
    const claim = { account, digest, payment };
    const runsForMs = longestOf(priced) + INSIST_FOR_MS;
    const keepForMs = Math.max(KEEP_FOR_MS, 2 * runsForMs);
    const values = [account, digest, fingerprint, payment, runsForMs, keepForMs];
    try {
      return await this.#claim(claim, fingerprint, values);
    } catch (error) {
      // PostgreSQL may have inserted the row although its answer was lost.
      if (error instanceof DatabaseUnavailable) void this.free(claim);
      throw error;
    }
  }

  async #claim(
    claim: Claim,
    fingerprint: Digest,
    values: readonly unknown[],
  ): Promise<Claim | Replay> {
    const { account, digest } = claim;
    for (;;) {
      if ((await this.#database.rows(sql.claimCall, values)).length > 0) return claim;
      const known = await this.#read(account, digest, fingerprint, claim.payment);
      // The row was deleted between the two statements.
      if (known === null) continue;
      // An earlier try of this claim was carried out although its connection was lost.
      if (known === 'own') return claim;
      if ('answer' in known) return known;
      await this.#endAbandoned({ ...claim, payment: known.abandoned });
    }
  }

  /** The answer of an earlier attempt; null: the request is a new call. Rejects with KeyNotFree. */
  async find(account: AccountId, key: string, fingerprint: Digest): Promise<Replay | null> {
    const digest = digestOfKey(key);
    for (;;) {
      const known = await this.#read(account, digest, fingerprint, null);
      if (known === null || known === 'own') return null;
      if ('answer' in known) return known;
      await this.#endAbandoned({ account, digest, payment: known.abandoned });
    }
  }

  /**
   * Reads a key's row: a kept answer, the payment of an abandoned attempt, or `'own'` if it belongs to
   * the payment `own`. Null: there is no row. Rejects with KeyNotFree.
   */
  async #read(
    account: AccountId,
    digest: Digest,
    fingerprint: Digest,
    own: Digest | null,
  ): Promise<Replay | { readonly abandoned: Digest } | 'own' | null> {
    const values = [account, digest, fingerprint];
    const [known] = await this.#database.rows<sql.IdempotentCallRow>(sql.readCall, values);
    if (!known) return null;
    if (known.payment_digest === own) return 'own';
    if (!known.is_same) throw new KeyNotFree('reused');
    const { is_used, may_run, charge, status, headers, body } = known;
    if (is_used) {
      if (status === null || !headers || !body) throw new KeyNotFree('already_answered', charge);
      return { answer: { status, headers, body }, charge };
    }
    if (may_run) throw new KeyNotFree('in_progress');
    return { abandoned: known.payment_digest as Digest };
  }

  /** Marks the key as used; `answer` null: its answer was not kept. Resolves once that is written. */
  async use(claim: Claim, charge: bigint | null, answer: KeptAnswer | null): Promise<void> {
    await this.#insist(() => this.#use(claim, charge, answer));
  }

  /** Frees the key of an attempt that cost nothing. Resolves once that is written. */
  async free(claim: Claim): Promise<void> {
    await this.#insist(() => this.#free(claim));
  }

  /** Ends an abandoned attempt, as the ledger says. Rejects with KeyNotFree if its hold is open. */
  async #endAbandoned(claim: Claim): Promise<void> {
    const charge = await this.#chargeOf(claim);
    await (charge === null ? this.#free(claim) : this.#use(claim, charge, null));
  }

  #free({ account, digest, payment }: Claim) {
    return this.#database.rows(sql.freeCall, [account, digest, payment]);
  }

  #use({ account, digest, payment }: Claim, charge: bigint | null, answer: KeptAnswer | null) {
    return this.#database.rows(sql.useCall, [
      account,
      digest,
      payment,
      charge,
      answer?.status ?? null,
      answer ? JSON.stringify(answer.headers) : null,
      answer ? `\\x${answer.body.toString('hex')}` : null,
    ]);
  }

  /** The charge of an abandoned attempt; null: it was not paid. */
  async #chargeOf({ account, payment }: Claim): Promise<bigint | null> {
    const read = (digest: Digest) =>
      this.#database.rows<sql.AttemptRow>(sql.readAttempt, [account, digest]);
    const [attempt] = await read(payment);
    if (!attempt) return null;
    if (attempt.is_held) throw new KeyNotFree('in_progress');
    if (attempt.charge !== null || attempt.kind === 'charge') return attempt.charge;
    const [late] = await read(lateDigestOf(attempt.number));
    return late?.charge ?? null;
  }

  /** Retries a write. If it never succeeds, the next request with the key asks the ledger. */
  async #insist(write: () => Promise<unknown>): Promise<void> {
    const failed = await insist(
      () =>
        write().then(
          () => null,
          (error: unknown) => ({ error }),
        ),
      (result) => result === null,
    );
    if (failed === null) return;
    this.#log.warn(
      { err: failed.error },
      'the end of a call with an idempotency key is not written',
    );
  }

  async #forget(): Promise<void> {
    try {
      let forgotten = MOST_FORGOTTEN_AT_ONCE;
      while (forgotten === MOST_FORGOTTEN_AT_ONCE) {
        const values = [MOST_FORGOTTEN_AT_ONCE];
        const [row] = await this.#database.rows<{ forgotten: number }>(sql.forgetCalls, values);
        forgotten = row?.forgotten ?? 0;
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'expired idempotency keys could not be deleted');
    }
  }
}

function digestOfKey(key: string): Digest {
  return digestOf(`customer\0${key}`);
}
