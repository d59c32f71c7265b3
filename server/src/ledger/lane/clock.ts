/**
 * Whether the database's clock may be believed. It decides when grants end and holds expire, and what
 * that books is for good: a clock that has jumped must book nothing.
 */

/** How far clocks may disagree. NTP keeps them within milliseconds; a jump is an hour or a year. */
export const CLOCK_TOLERANCE_MS = 60_000;

/** A reading of the database's clock, and the last instant of the account that is to be judged by it. */
export interface ClockReading {
  readonly clock: number;
  /** `-Infinity` if it is about no account. */
  readonly lastAt: number;
  /** Named in the log. */
  readonly account?: string;
}

/**
 * `ahead`: the database's clock is ahead of this node's own, and one of the two is wrong. `behind`: it is
 * behind an operation that is booked already.
 */
export type ClockFault = 'ahead' | 'behind';

/** The fault of a reading, by the node's own clock; undefined: the reading is believed. */
export function clockFault(
  { clock, lastAt }: ClockReading,
  own = Date.now(),
): ClockFault | undefined {
  if (clock - own > CLOCK_TOLERANCE_MS) return 'ahead';
  return lastAt - clock > CLOCK_TOLERANCE_MS ? 'behind' : undefined;
}

/** The instant at which an account is judged: no operation is earlier than the one before it. */
export function instantOf({ clock, lastAt }: ClockReading): number {
  return Math.max(clock, lastAt);
}

/** Nothing can be decided now, as the clocks disagree. The wire answers 503 with `Retry-After`. */
export class ClockUnreliable extends Error {
  constructor() {
    super('the clocks of the database and of this node disagree');
    this.name = 'ClockUnreliable';
  }
}

/** The same instant, of a reading that is believed. Throws ClockUnreliable. */
export function believedInstantOf(reading: ClockReading): number {
  if (clockFault(reading)) throw new ClockUnreliable();
  return instantOf(reading);
}

/** An account whose last instant lies in the future is named in the log this often. */
const NAME_ACCOUNTS_EVERY_MS = 60_000;

interface ClockLog {
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** A node's knowledge of the clocks, from every reading of its lane and of its sweeper. */
export class ClockWatch {
  readonly #log: ClockLog;
  #fault: ClockFault | undefined;
  /** The latest operation that was read, unless this node's own clock says that it lies in the future. */
  #lastAt = Number.NEGATIVE_INFINITY;
  #namedAt = Number.NEGATIVE_INFINITY;

  constructor(log: ClockLog) {
    this.#log = log;
  }

  /** Whether the last reading is believed. */
  get isReliable(): boolean {
    return this.#fault === undefined;
  }

  /** Takes note of a reading; the log says when the clocks begin to disagree, and when they agree again. */
  saw(reading: ClockReading, own = Date.now()): void {
    const { clock, lastAt, account } = reading;
    if (lastAt - own <= CLOCK_TOLERANCE_MS) this.#lastAt = Math.max(this.#lastAt, lastAt);
    // Both clocks may have been ahead together. What was booked then says nothing about them now.
    const isBorneOut = this.#lastAt - own <= CLOCK_TOLERANCE_MS;
    const known = { clock, lastAt: isBorneOut ? this.#lastAt : Number.NEGATIVE_INFINITY };
    this.#enter(clockFault(known, own), known, own);
    const isAccounts = this.isReliable && clockFault(reading, own) === 'behind';
    if (isAccounts && own - this.#namedAt > NAME_ACCOUNTS_EVERY_MS) {
      this.#namedAt = own;
      this.#log.error(
        { account, last_at: text(lastAt), database_clock: text(clock) },
        ACCOUNT_AHEAD,
      );
    }
  }

  #enter(fault: ClockFault | undefined, { clock, lastAt }: ClockReading, own: number): void {
    if (fault === this.#fault) return;
    this.#fault = fault;
    const details = { database_clock: text(clock), own_clock: text(own) };
    if (fault === 'ahead') this.#log.error(details, AHEAD);
    else if (fault === 'behind') this.#log.error({ ...details, last_at: text(lastAt) }, BEHIND);
    else this.#log.warn(details, 'the clocks agree again: operations go on');
  }
}

const AHEAD =
  "PostgreSQL's clock is more than a minute ahead of this machine's. Nothing is booked until they agree: compare `date -u` on both machines, and set the wrong clock by NTP.";
const BEHIND =
  "PostgreSQL's clock is more than a minute behind an operation that is booked. Nothing is booked until it has caught up: set the clock of PostgreSQL's machine by NTP.";
const ACCOUNT_AHEAD =
  "An account's last operation lies in the future: it was booked while the clocks were wrong. Its operations are answered with 503 until a minute before that instant.";

function text(instant: number): string {
  return new Date(instant).toISOString();
}
