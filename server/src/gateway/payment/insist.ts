import { setTimeout as delay } from 'node:timers/promises';

/** The end of a call is retried for this long while PostgreSQL cannot write it. */
export const INSIST_FOR_MS = 600_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/**
 * Retries `attempt` with growing waits until its result is final, or `INSIST_FOR_MS` has passed.
 * Resolves with the last result. `attempt` must be idempotent.
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
