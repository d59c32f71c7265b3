import type { Call } from './call/call.ts';

/**
 * The calls under way, by their place in an array, which each call knows. A `Set` makes a new table
 * again and again; old tables keep dead calls alive in the young generation (adr/0012).
 */
export class CallsUnderWay {
  readonly #calls: Call[] = [];

  get size(): number {
    return this.#calls.length;
  }

  add(call: Call): void {
    call.place = this.#calls.length;
    this.#calls.push(call);
  }

  /** False: it is not under way any more. */
  delete(call: Call): boolean {
    if (this.#calls[call.place] !== call) return false;
    const last = this.#calls.pop();
    if (last && last !== call) {
      this.#calls[call.place] = last;
      last.place = call.place;
    }
    return true;
  }

  /** Ends all of them because the server stops. */
  stop(): void {
    for (const call of [...this.#calls]) call.stop();
  }
}
