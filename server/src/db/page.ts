/** A part of a list, and whether more follows. */
export interface Page<T> {
  readonly items: T[];
  /** More is known to follow the last item. */
  readonly more: boolean;
  /** The search for items has ended above this number: more may follow below it. */
  readonly resumeBelow?: bigint;
}

/** A page of rows that were read with one more than the limit. */
export function pageOf<T>(rows: T[], limit: number): Page<T> {
  return { items: rows.slice(0, limit), more: rows.length > limit };
}
