/** A part of the process. It may use the parts before it in the list, and no later one. */
export interface Part {
  readonly name: string;
  /** Rejects if the process cannot run without it. */
  readonly start?: () => void | Promise<void>;
  /** Also follows a start that failed or never came. */
  readonly stop?: () => void | Promise<void>;
}

/** Starts the parts in their order. Rejects at the first failure, or once `signal` aborts. */
export async function startParts(parts: readonly Part[], signal: AbortSignal): Promise<void> {
  for (const { start } of parts) {
    signal.throwIfAborted();
    await start?.();
  }
}

/** Stops the parts in reverse order, one by one. If some fail, the others stop all the same. */
export async function stopParts(parts: readonly Part[]): Promise<void> {
  const failures: Error[] = [];
  for (const { name, stop } of parts.toReversed()) {
    try {
      await stop?.();
    } catch (cause) {
      failures.push(new Error(`${name} did not stop`, { cause }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'some parts did not stop');
}
