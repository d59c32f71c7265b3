/** Fair shares: bounds on the concurrent calls of one key and of one account, on this node. */

/** One bound that a call counts towards. */
export interface Share {
  readonly name: string;
  readonly most: number;
}

export class Shares {
  readonly #counts = new Map<string, number>();

  /** Takes one of each share. Takes nothing and returns false if one of them is full. */
  take(shares: readonly Share[]): boolean {
    for (const { name, most } of shares) if (this.#of(name) >= most) return false;
    for (const { name } of shares) this.#counts.set(name, this.#of(name) + 1);
    return true;
  }

  /** Reverses a `take`. */
  giveBack(shares: readonly Share[]): void {
    for (const { name } of shares) {
      const left = this.#of(name) - 1;
      if (left === 0) this.#counts.delete(name);
      else this.#counts.set(name, left);
    }
  }

  #of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }
}
