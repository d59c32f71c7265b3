/** Waits for a promise at most `longestMs`. Rejects only if the promise does within that time. */
export async function within(promise: Promise<unknown>, longestMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const longest = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, longestMs);
  });
  await Promise.race([promise, longest]).finally(() => clearTimeout(timer));
}
