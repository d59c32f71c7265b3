/**
 * Judges whether the database's clock may be believed (README §2). The clock decides when grants end and
 * holds expire, and those bookings are final: a clock that has jumped must book nothing.
 */

/** The largest difference between clocks. NTP keeps them within milliseconds; a jump is an hour or a year. */
export const CLOCK_TOLERANCE_MS = 60_000;

/** A reading of the database's clock, and the last instant of the account that it is read for. */
export interface ClockReading {
  readonly clock: number;
  /** `-Infinity`: the reading is for no account. */
  readonly lastAt: number;
  /** The account's id, for the log. */
  readonly account?: string;
}

/**
 * `ahead`: the database's clock is ahead of this node's own, and one of the two is wrong. `behind`: it is
 * behind the instant of a booked operation.
 */
export type ClockFault = 'ahead' | 'behind';

/** The fault of a reading, compared with the node's own clock; undefined: the reading is believed. */
export function clockFault(
  { clock, lastAt }: ClockReading,
  own = Date.now(),
): ClockFault | undefined {
  if (clock - own > CLOCK_TOLERANCE_MS) return 'ahead';
  return lastAt - clock > CLOCK_TOLERANCE_MS ? 'behind' : undefined;
}

/** The instant at which an account is judged: never earlier than its last operation. */
export function instantOf({ clock, lastAt }: ClockReading): number {
  return Math.max(clock, lastAt);
}

/** The clocks disagree, so nothing can be decided. HTTP answers 503 with `Retry-After`. */
export class ClockUnreliable extends Error {
  constructor() {
    super('the clocks of the database and of this node disagree');
    this.name = 'ClockUnreliable';
  }
}

/** The instant of `instantOf`. Throws ClockUnreliable if the reading is not believed. */
export function believedInstantOf(reading: ClockReading): number {
  if (clockFault(reading)) throw new ClockUnreliable();
  return instantOf(reading);
}

/** The shortest time between two log lines about accounts whose last instant lies in the future. */
const NAME_ACCOUNTS_EVERY_MS = 60_000;

interface ClockLog {
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** Compares the clocks at every reading of a node's lane and sweeper. */
export class ClockWatch {
  readonly #log: ClockLog;
  #fault: ClockFault | undefined;
  /** The latest instant of a last operation that does not lie in the future by this node's own clock. */
  #lastAt = Number.NEGATIVE_INFINITY;
  #namedAt = Number.NEGATIVE_INFINITY;

  constructor(log: ClockLog) {
    this.#log = log;
  }

  /** Whether the last reading is believed. */
  get isReliable(): boolean {
    return this.#fault === undefined;
  }

  /** Judges a reading, and logs when the clocks begin to disagree and when they agree again. */
  saw(reading: ClockReading, own = Date.now()): void {
    const { clock, lastAt, account } = reading;
    if (lastAt - own <= CLOCK_TOLERANCE_MS) this.#lastAt = Math.max(this.#lastAt, lastAt);
    // Both clocks may have been ahead together. An instant from that time says nothing about them now.
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
