import { setTimeout as delay } from 'node:timers/promises';

/** How long the end of a call is tried to be written while PostgreSQL cannot. */
export const INSIST_FOR_MS = 600_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/**
 * Attempts something again and again until its result is final, or the time for it is over. Resolves
 * with the last result. Each attempt must have the same effect as one.
 */
export async function insist<Result>(
  attempt: () => Promise<Result>,
  isFinal: (result: Result) => boolean,
): Promise<Result> {
  const until = performance.now() + INSIST_FOR_MS;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    const result = await attempt();
    if (isFinal(result) || performance.now() + wait > until) return result;
    await delay(wait);
  }
}
