import type { Claim, IdempotencyKeys } from '../idempotency/idempotency.ts';
import { Recording } from '../idempotency/kept-answer.ts';
import type { Headers } from '../request/headers.ts';
import type { Settlement } from './settlement.ts';

/** The idempotency key of a call, if it has one, and the answer that is kept under it. */
export class CallKey {
  /** Whether the whole answer is kept, or about to be. */
  isKept = false;
  readonly #keys: IdempotencyKeys;
  readonly #claim: Claim | null;
  readonly #mostBytes: number;
  #recording: Recording | undefined;

  /** `mostBytes` is the largest answer to keep. */
  constructor(keys: IdempotencyKeys, claim: Claim | null, mostBytes: number) {
    this.#keys = keys;
    this.#claim = claim;
    this.#mostBytes = mostBytes;
  }

  /** Whether an answer may be kept. */
  get keeps(): boolean {
    return this.#claim !== null && this.#mostBytes > 0;
  }

  /** Whether an answer is recorded whole as far as it has come. */
  get isRecording(): boolean {
    return this.#recording?.isWithin === true;
  }

  /** Begins to record the answer. */
  record(): void {
    if (this.keeps) this.#recording = new Recording(this.#mostBytes);
  }

  add(piece: Buffer): void {
    this.#recording?.add(piece);
  }

  /** Keeps the answer that was recorded whole, once its payment is settled. */
  async keep(settlement: Settlement, status: number, headers: Headers): Promise<void> {
    const claim = this.#claim;
    const body = this.#recording?.body;
    if (!claim || !body) return;
    this.isKept = true;
    const answer = { status, headers, body };
    await settlement.afterwards(({ charge }) => this.#keys.use(claim, charge, answer));
  }

  /** Ends the claim of a call that has ended, once its payment is settled. */
  async end(settlement: Settlement, isFreeAgain: boolean): Promise<void> {
    const claim = this.#claim;
    if (!claim || this.isKept) return;
    await settlement.afterwards(({ charge }) =>
      isFreeAgain ? this.#keys.free(claim) : this.#keys.use(claim, charge, null),
    );
  }
}
