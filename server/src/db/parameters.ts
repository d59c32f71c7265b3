/**
 * The text of a parameter for PostgreSQL: null, a text, a number or bigint, a boolean, or an array of
 * those.
 */
export function parameterOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return Array.isArray(value) ? arrayOf(value) : String(value);
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function arrayOf(items: readonly unknown[]): string {
  let text = '{';
  for (const [index, item] of items.entries()) {
    if (index > 0) text += ',';
    text += itemOf(item);
  }
  return `${text}}`;
}

function itemOf(item: unknown): string {
  if (item === null || item === undefined) return 'NULL';
  if (typeof item !== 'string') return String(item);
  return isPlain(item) ? item : `"${item.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Neither empty, nor the word for null, nor with a character that means something in an array. */
function isPlain(text: string): boolean {
  return /^[\w.:+-]+$/.test(text) && text.toUpperCase() !== 'NULL';
}
