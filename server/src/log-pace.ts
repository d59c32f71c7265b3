/** What fails can fail thousands of times a second; each kind of it is logged this often at most. */
const LOG_EVERY_MS = 1_000;

/** Keeps a log readable where a kind of failure comes in masses. The kinds are few. */
export class LogPace {
  readonly #lastLogged = new Map<string, number>();

  /** Whether a failure of this kind is to be logged now; then it is not again for a while. */
  isDue(kind: string): boolean {
    const now = Date.now();
    if (now - (this.#lastLogged.get(kind) ?? 0) < LOG_EVERY_MS) return false;
    this.#lastLogged.set(kind, now);
    return true;
  }
}
