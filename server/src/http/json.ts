import { isUtf8 } from 'node:buffer';
import { shown } from '../schema/words.ts';
import { ApiError, invalidRequest } from './errors/api-error.ts';

/**
 * Bodies as JSON. No value is changed on the way: a text or a number that JavaScript cannot hold would
 * be kept and answered as another one, and two different requests would count as the same. Every name
 * of a member is data, `__proto__` and `constructor` too.
 */

/** Reads a body. Throws ApiError: what is not UTF-8 or not JSON, or a number that is not kept exactly. */
export function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new ApiError('invalid_json', { detail: 'The body is not valid UTF-8' });
  const text = body.toString().replace(BYTE_ORDER_MARK, '');
  const value = parsed(text);
  const member = MAY_HAVE_NUMBERS.test(text) ? inexactMember(text) : undefined;
  if (member === undefined) return value;
  throw invalidRequest(
    `${shown(member)} must be a number that 64-bit floating point holds exactly: send fewer digits, or a string`,
  );
}

/** Some clients begin with it; it is no part of the JSON. */
const BYTE_ORDER_MARK = /^\ufeff/;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError('invalid_json');
  }
}

/** Most bodies have none: amounts and ids are strings. Strings may look like them; then we look closer. */
const MAY_HAVE_NUMBERS = /[:,[]\s*-?\d/;
/** The tokens of valid JSON from which the path of a number follows. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[{}[\],]/g;

/** An object or a list around a place, with the member's name or the item's number. */
interface Around {
  readonly isList: boolean;
  at: string | number;
  /** Whether the next string is the name of a member. */
  isNameNext: boolean;
}

/** The path of the first number that would be kept as another one; undefined: there is none. */
function inexactMember(text: string): string | undefined {
  const around: Around[] = [];
  for (const [token] of text.matchAll(TOKENS)) {
    const inner = around.at(-1);
    if (token === '{') around.push({ isList: false, at: '', isNameNext: true });
    else if (token === '[') around.push({ isList: true, at: 0, isNameNext: false });
    else if (token === '}' || token === ']') around.pop();
    else if (token === ',' && inner) {
      if (inner.isList) inner.at = Number(inner.at) + 1;
      else inner.isNameNext = true;
    } else if (token.startsWith('"')) {
      if (!inner?.isNameNext) continue;
      inner.at = token;
      inner.isNameNext = false;
    } else if (!isExact(token)) {
      return around.map(({ at }) => (typeof at === 'string' ? JSON.parse(at) : at)).join('.');
    }
  }
  return undefined;
}

function isExact(number: string): boolean {
  const value = Number(number);
  return Number.isFinite(value) && decimalOf(number) === decimalOf(String(value));
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Equal for two writings of the same number: sign, digits without outer zeros, exponent. */
function decimalOf(number: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(number) ?? [];
  const digits = whole + fraction;
  let [first, end] = [0, digits.length];
  while (digits[first] === '0') first += 1;
  while (end > first && digits[end - 1] === '0') end -= 1;
  if (first === end) return '0';
  const power = Number(exponent) - fraction.length + digits.length - end;
  return `${sign}${digits.slice(first, end)}e${power}`;
}
