import { isUtf8 } from 'node:buffer';
import { shown } from '../../schema/words.ts';
import { ApiError, invalidRequest } from '../errors/api-error.ts';

/**
 * Parses JSON bodies without a change of any value. It refuses numbers that JavaScript would round: two
 * different requests would count as the same. Every member name is data, `__proto__` too.
 */

/** Parses a body. Throws ApiError for invalid UTF-8 or JSON, and for a number that would be rounded. */
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

/** Some clients put it before the JSON. */
const BYTE_ORDER_MARK = /^\ufeff/;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError('invalid_json');
  }
}

/** Finds objects and lists that may have numbers. Most bodies have none (adr/0012). */
const MAY_HAVE_NUMBERS = /[:,[]\s*-?\d/;
/** The tokens of valid JSON that determine the path of a number. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[{}[\],]/g;

/** An object or a list around the present token, with the present member or item. */
interface Around {
  readonly isList: boolean;
  at: string | number;
  /** Whether the next string is the name of a member. */
  isNameNext: boolean;
}

/** The path of the first number that JavaScript would round; undefined: there is none. */
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

/** The canonical form of a number: sign, digits without outer zeros, exponent. */
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
