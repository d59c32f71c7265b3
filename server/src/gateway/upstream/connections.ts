/** Calls that may wait, for each connection of the upstream. */
const MOST_WAITING_FOR_ONE = 4;
const LONGEST_WAIT_MS = 2_000;

/** All connections to the upstream are in use, and too many calls wait or this one waited too long. */
export class NoConnection extends Error {
  constructor() {
    super('no connection to the upstream became free');
    this.name = 'NoConnection';
  }
}

/** A semaphore with one permit for each connection of an upstream, first come first served. */
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
