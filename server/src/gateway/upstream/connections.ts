/** Calls that may wait for a connection, for each connection that there is. */
const MOST_WAITING_FOR_ONE = 4;
const LONGEST_WAIT_MS = 2_000;

/** Every connection to an upstream is in use, and too many calls wait, or this one waited too long. */
export class NoConnection extends Error {
  constructor() {
    super('no connection to the upstream became free');
    this.name = 'NoConnection';
  }
}

/** The right to a connection of an upstream's, for as many calls at once as it has connections. */
export class Connections {
  readonly #most: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes a connection; `giveBack` follows once. Rejects with NoConnection. */
  async take(): Promise<void> {
    if (this.#taken < this.#most) {
      this.#taken += 1;
      return;
    }
    if (this.#waiting.length >= MOST_WAITING_FOR_ONE * this.#most) throw new NoConnection();
    await new Promise<void>((resolve, reject) => {
      const turn = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(new NoConnection());
      }, LONGEST_WAIT_MS);
      this.#waiting.push(turn);
    });
  }

  /** Gives a connection to the call that has waited longest. */
  giveBack(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken -= 1;
  }
}
