/**
 * The text of a parameter for PostgreSQL. Takes null, texts, numbers, bigints, booleans, and arrays of
 * these.
 */
export function parameterOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return Array.isArray(value) ? `{${value.map(itemOf).join()}}` : String(value);
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function itemOf(item: unknown): string {
  if (item === null || item === undefined) return 'NULL';
  if (typeof item !== 'string') return String(item);
  return `"${item.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`;
}
