/** Waits for a promise, but no longer than so many milliseconds. Rejects only if it does by then. */
export async function within(promise: Promise<unknown>, longestMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const longest = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, longestMs);
  });
  await Promise.race([promise, longest]).finally(() => clearTimeout(timer));
}
