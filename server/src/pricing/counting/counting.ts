import jsonata, { type JsonataError } from 'jsonata';
import { formatCents } from '../../ledger/operations/money.ts';
import { type Counting, CountingFailed, type CountingInput } from '../book/price-book.ts';
import { ExpressionRefused, judgeExpression, namesOf } from './expression.ts';
import { boundWork, Work } from './work.ts';

/**
 * Counting with JSONata. The operator writes the expressions; requests and answers are only data.
 *
 * Bounds limit a count: its steps (`work.ts`), the depth of its calls and the length of its lists.
 * A function that can be slow within one step is forbidden. So is a nondeterministic one.
 */

const DEEPEST = 200;
const LONGEST_LIST = 100_000;
const BOUNDS = { stack: DEEPEST, sequence: LONGEST_LIST };

/** The largest count. */
const LARGEST = 1_000_000_000_000;
const DECIMALS = 6;
/** Counts are kept in millionths; this many are one. */
export const MILLIONTHS = 1_000_000n;

/** The names that an expression for each purpose may use, and its count if it finds nothing. */
const PURPOSES = {
  /** Nothing found counts as 0. */
  answer: { names: ['request', 'answer'], nothing: 0n },
  /** Nothing found counts as 0. */
  request: { names: ['request'], nothing: 0n },
  /** A maximum that finds nothing fails: as 0 it would make the call free. */
  maximum: { names: ['request'], nothing: undefined },
} as const;
export type Purpose = keyof typeof PURPOSES;

/**
 * Compiles an expression that counts the answer or the request, or states a maximum. Throws
 * ExpressionRefused if it does not parse, is forbidden, or uses an unknown name.
 */
export function compileCounting(text: string, purpose: Purpose): Counting {
  const { names, nothing } = PURPOSES[purpose];
  let expression: jsonata.Expression;
  try {
    expression = jsonata(text, BOUNDS);
  } catch (error) {
    const { message, position } = error as JsonataError;
    throw new ExpressionRefused(message, position ?? 0, 'see https://docs.jsonata.org');
  }
  judgeExpression(expression.ast(), names);
  boundWork(expression);
  return {
    text,
    names: namesOf(expression.ast()),
    count: async (input, mostSteps) => {
      const value = (await evaluate(text, expression, input, new Work(mostSteps))) ?? undefined;
      if (value === undefined && nothing !== undefined) return nothing;
      return millionthsOf(text, value);
    },
  };
}

/** A count that is always the same whole number. */
export function constantCounting(whole: number): Counting {
  const millionths = BigInt(whole) * MILLIONTHS;
  return {
    text: String(whole),
    names: { top: new Set(), deep: new Set() },
    count: () => Promise.resolve(millionths),
  };
}

/** Formats millionths as a canonical decimal string. They have as many decimals as cents. */
export function formatQuantity(millionths: bigint): string {
  return formatCents(millionths);
}

async function evaluate(
  text: string,
  expression: jsonata.Expression,
  { request, answer }: CountingInput,
  work: Work,
): Promise<unknown> {
  try {
    return await expression.evaluate({ request, answer }, work.bindings);
  } catch (error) {
    const { message } = error as JsonataError;
    throw new CountingFailed(`${shown(text)}: ${message}`);
  }
}

function millionthsOf(text: string, value: unknown): bigint {
  if (typeof value !== 'number' || !(value >= 0 && value <= LARGEST)) {
    const found = typeof value === 'number' ? String(value) : kindOf(value);
    throw new CountingFailed(`${shown(text)} gave ${found}, not a number from 0 to ${LARGEST}`);
  }
  // toFixed works on the exact value of the double; multiplying by a million would round it.
  return BigInt(value.toFixed(DECIMALS).replace('.', ''));
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function shown(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}
