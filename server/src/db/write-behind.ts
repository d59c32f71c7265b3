/** Rows in one statement, and names whose rows may wait. */
const MOST_AT_ONCE = 5_000;
const CAPACITY = 100_000;

export interface WriteBehindOptions<Row> {
  /** Writes rows with distinct names. A rejection keeps them for the next flush. */
  readonly write: (rows: readonly Row[]) => Promise<unknown>;
  readonly flushEveryMs: number;
  /** Names the rows in the log, as a plural. */
  readonly subject: string;
  readonly log: { warn(details: object, message: string): void };
}

/**
 * Keeps rows in memory and writes many of them in one statement, so that no request waits for them.
 * A killed process loses the rows of its last interval: no amount may depend on them. Beyond 100,000
 * waiting names it drops the rows of new ones.
 */
export class WriteBehind<Row> {
  readonly #options: WriteBehindOptions<Row>;
  readonly #timer: NodeJS.Timeout;
  #waiting = new Map<string, Row>();
  #flushing: Promise<void> = Promise.resolve();
  #isFailing = false;

  constructor(options: WriteBehindOptions<Row>) {
    this.#options = options;
    this.#timer = setInterval(() => this.#flush(), options.flushEveryMs).unref();
  }

  /** Replaces the row of the same name that still waits. Never fails. */
  add(name: string, row: Row): void {
    if (this.#waiting.size < CAPACITY || this.#waiting.has(name)) this.#waiting.set(name, row);
  }

  /** Writes a last time. Call it after the last `add`, before the database closes. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush();
  }

  #flush(): Promise<void> {
    // Always behind the write under way: if that fails, its rows wait again.
    this.#flushing = this.#flushing.then(() => this.#writeAll());
    return this.#flushing;
  }

  async #writeAll(): Promise<void> {
    const { write, subject, log } = this.#options;
    while (this.#waiting.size > 0) {
      const rows = this.#take();
      try {
        await write([...rows.values()]);
        this.#isFailing = false;
      } catch (error) {
        this.#waiting = new Map([...rows, ...this.#waiting]);
        if (!this.#isFailing) log.warn({ err: error }, `${subject} wait to be written`);
        this.#isFailing = true;
        return;
      }
    }
  }

  /** Removes the oldest rows from those that wait. */
  #take(): Map<string, Row> {
    const all = [...this.#waiting];
    this.#waiting = new Map(all.slice(MOST_AT_ONCE));
    return new Map(all.slice(0, MOST_AT_ONCE));
  }
}
