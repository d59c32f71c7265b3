/**
 * Amounts. Inside Purser an amount is a `bigint` of microcents (1 cent = 1,000,000 microcents) within
 * PostgreSQL's int64; outside it is a decimal string of cents. No `number` ever holds an amount.
 */

/** Microcents in one cent, and the decimal places that follow from it. */
const MICROCENTS_PER_CENT = 1_000_000n;
const DECIMALS = 6;

/** The largest amount that can be held: 9223372036854.775807 cents (int64, PostgreSQL's bigint). */
export const LARGEST_AMOUNT = 9_223_372_036_854_775_807n;

/** The form of amounts in requests, for JSON Schema and the parser. */
export const CENTS_PATTERN = '^(0|[1-9]\\d{0,12})(\\.\\d{1,6})?$';
const CENTS = new RegExp(CENTS_PATTERN);

/**
 * Reads a decimal string of cents as microcents, exactly; undefined: it does not match `CENTS_PATTERN`.
 * The result may exceed `LARGEST_AMOUNT`, as thirteen digits reach past int64. The caller refuses that.
 */
export function parseCents(text: string): bigint | undefined {
  if (!CENTS.test(text)) return undefined;
  const point = text.indexOf('.');
  if (point === -1) return BigInt(text) * MICROCENTS_PER_CENT;
  return BigInt(text.slice(0, point) + text.slice(point + 1).padEnd(DECIMALS, '0'));
}

/** Prints microcents as cents, canonical: no trailing zeros, no exponent (`11`, `0.5`, `-0.000001`). */
export function formatCents(amount: bigint): string {
  if (amount < 0n) return `-${formatCents(-amount)}`;
  const digits = amount.toString().padStart(DECIMALS + 1, '0');
  const point = digits.length - DECIMALS;
  const [whole, decimals] = [digits.slice(0, point), digits.slice(point).replace(/0+$/, '')];
  return decimals === '' ? whole : `${whole}.${decimals}`;
}
