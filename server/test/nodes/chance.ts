import { chanceOf } from '../database/life.ts';

/** The length and the seed of the soak tests; CONTRIBUTING.md says how to run them for longer. */
const { PURSER_SOAK_S = '10', PURSER_SOAK_SEED = '1' } = process.env;

/** Customers call for this long. */
export const SECONDS = Number(PURSER_SOAK_S);
/** The same seed makes the same draws, but at other moments: no two runs are quite the same. */
export const SEED = Number(PURSER_SOAK_SEED);
/** A run of at least this many seconds must have every rare event. */
export const LONG = 60;

/** Each seed has this many numbers for sources of chance. */
const STREAMS = 1_000;

/** One source of chance. Each client has its own, so that its draws do not depend on the others. */
export class Chance {
  readonly #below: (below: number) => number;

  constructor(stream: number) {
    this.#below = chanceOf(SEED * STREAMS + stream);
  }

  /** A whole number from 0. */
  below(end: number): number {
    return this.#below(end);
  }

  between(least: number, end: number): number {
    return least + this.#below(end - least);
  }

  pick<T>(things: readonly T[]): T {
    return things[this.#below(things.length)] as T;
  }
}
