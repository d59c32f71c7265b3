/** Each kind of failure is logged at most this often: some come thousands of times a second. */
const LOG_EVERY_MS = 1_000;

/** Limits how often each kind of failure is logged. It keeps every kind, so the kinds must be few. */
export class LogPace {
  readonly #lastLogged = new Map<string, number>();

  /** Whether to log a failure of this kind now. After true it returns false for `LOG_EVERY_MS`. */
  isDue(kind: string): boolean {
    const now = Date.now();
    if (now - (this.#lastLogged.get(kind) ?? 0) < LOG_EVERY_MS) return false;
    this.#lastLogged.set(kind, now);
    return true;
  }
}
