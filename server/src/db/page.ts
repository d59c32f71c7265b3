/** A page of a list. */
export interface Page<T> {
  readonly items: T[];
  /** Whether the next page has items. */
  readonly more: boolean;
  /** The number at which a bounded search stopped; matching items may follow below it. */
  readonly resumeBelow?: bigint;
}

/** Makes a page of rows that were read with `limit + 1`. */
export function pageOf<T>(rows: T[], limit: number): Page<T> {
  return { items: rows.slice(0, limit), more: rows.length > limit };
}
