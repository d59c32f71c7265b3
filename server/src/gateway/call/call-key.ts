import type { Claim, IdempotencyKeys } from '../idempotency/idempotency.ts';
import { Recording } from '../idempotency/kept-answer.ts';
import type { Headers } from '../request/headers.ts';
import type { Settlement } from './settlement.ts';

/** A call's claim on its idempotency key, if it has one, and the answer kept under that key. */
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

  /** Whether everything that has come of the answer is recorded. */
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

  /** Keeps the recorded answer, after the payment is settled. Does nothing if it is too large. */
  async keep(settlement: Settlement, status: number, headers: Headers): Promise<void> {
    const claim = this.#claim;
    const body = this.#recording?.body;
    if (!claim || !body) return;
    this.isKept = true;
    const answer = { status, headers, body };
    await settlement.afterwards(({ charge }) => this.#keys.use(claim, charge, answer));
  }

  /** Ends the claim, after the payment is settled. */
  async end(settlement: Settlement, isFreeAgain: boolean): Promise<void> {
    const claim = this.#claim;
    if (!claim || this.isKept) return;
    await settlement.afterwards(({ charge }) =>
      isFreeAgain ? this.#keys.free(claim) : this.#keys.use(claim, charge, null),
    );
  }
}
