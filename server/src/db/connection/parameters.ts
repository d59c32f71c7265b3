/**
 * The text of a parameter for PostgreSQL. Takes null, texts, numbers, bigints, booleans, and arrays of
 * these.
 */
export function parameterOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return Array.isArray(value) ? arrayOf(value) : String(value);
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function arrayOf(items: readonly unknown[]): string {
  let text = '{';
  for (let index = 0; index < items.length; index += 1) {
    if (index > 0) text += ',';
    text += itemOf(items[index]);
  }
  return `${text}}`;
}

function itemOf(item: unknown): string {
  if (item === null || item === undefined) return 'NULL';
  if (typeof item !== 'string') return String(item);
  const text = item.includes('\\') ? item.replaceAll('\\', '\\\\') : item;
  return `"${text.includes('"') ? text.replaceAll('"', '\\"') : text}"`;
}
