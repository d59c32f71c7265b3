import jsonata, { type ExprNode, type JsonataError } from 'jsonata';
import { formatCents } from '../ledger/money.ts';
import { type Counting, CountingFailed, type CountingInput } from './price-book.ts';

/**
 * Counting with JSONata. The expressions are the operator's; requests and answers are only ever data.
 *
 * A count may take 100 ms, 200 calls of depth and lists of a million. JSONata looks at these bounds at
 * each step, so what it does in one step must be quick by itself: what is not is forbidden. So is what
 * would give another count another time.
 */

const LONGEST_MS = 100;
const DEEPEST = 200;
const LONGEST_LIST = 1_000_000;
const BOUNDS = { timeout: LONGEST_MS, stack: DEEPEST, sequence: LONGEST_LIST };

/** The largest count. */
const LARGEST = 1_000_000_000_000;
const DECIMALS = 6;
/** How many millionths are one. */
export const MILLIONTHS = 1_000_000n;

/** Functions that a count may not call, each with the reason. */
const FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ['eval', 'it would run text that a request or an answer brings'],
  ['now', 'a count must be the same at any time'],
  ['millis', 'a count must be the same at any time'],
  ['random', 'a count must be the same each time'],
  ['shuffle', 'a count must be the same each time'],
  ['match', 'its time cannot be bounded'],
  ['distinct', 'its time cannot be bounded'],
  ['pad', 'its memory cannot be bounded'],
]);

/** What a request or an answer would have to hold to be taken for a function of JSONata. */
const DISGUISES = ['_jsonata_lambda', '_jsonata_function'];

/** An expression cannot be used; `position` is where in it, from 0. */
export class ExpressionRefused extends Error {
  readonly position: number;
  readonly cure: string;

  constructor(message: string, position: number, cure: string) {
    super(message);
    this.name = 'ExpressionRefused';
    this.position = position;
    this.cure = cure;
  }
}

/** A node of the tree that JSONata parses, of which its own types know only a part. */
type Tree = ExprNode & { readonly [member: string]: unknown };

/**
 * An expression that may speak of the given names, `request` or both. Throws ExpressionRefused where
 * it does not parse, is forbidden, or speaks of something else.
 */
export function compileCounting(
  text: string,
  names: readonly string[] = ['request', 'answer'],
): Counting {
  let expression: jsonata.Expression;
  try {
    expression = jsonata(text, BOUNDS);
  } catch (error) {
    const { message, position } = error as JsonataError;
    throw new ExpressionRefused(message, position ?? 0, 'see https://docs.jsonata.org');
  }
  refuseForbidden(expression.ast() as Tree);
  refuseUnknown(expression.ast() as Tree, names);
  return {
    text,
    count: async (input) => millionthsOf(text, await evaluate(text, expression, input)),
  };
}

/** A whole number that is always the same. */
export function constantCounting(whole: number): Counting {
  const millionths = BigInt(whole) * MILLIONTHS;
  return { text: String(whole), count: () => Promise.resolve(millionths) };
}

/** Millionths as a decimal string, canonical: they have as many decimals as cents. */
export function formatQuantity(millionths: bigint): string {
  return formatCents(millionths);
}

async function evaluate(
  text: string,
  expression: jsonata.Expression,
  { request, answer }: CountingInput,
): Promise<unknown> {
  refuseDisguises([request, answer]);
  try {
    return await expression.evaluate({ request, answer });
  } catch (error) {
    const { message } = error as JsonataError;
    throw new CountingFailed(`${shown(text)}: ${message}`);
  }
}

function millionthsOf(text: string, value: unknown): bigint {
  if (value === undefined) return 0n;
  if (typeof value !== 'number' || !(value >= 0 && value <= LARGEST)) {
    const found = typeof value === 'number' ? String(value) : kindOf(value);
    throw new CountingFailed(`${shown(text)} gave ${found}, not a number from 0 to ${LARGEST}`);
  }
  // The decimal text of a double is exact, where multiplying by a million would not be.
  return BigInt(value.toFixed(DECIMALS).replace('.', ''));
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function shown(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}

/** JSONata takes an object with such a member for a function, and then finds nothing in it. */
function refuseDisguises(input: readonly unknown[]): void {
  const open = [...input];
  while (open.length > 0) {
    const value = open.pop();
    if (value === null || typeof value !== 'object') continue;
    if (DISGUISES.some((name) => Object.hasOwn(value, name))) {
      throw new CountingFailed(`a member may not be named ${DISGUISES.join(' or ')}`);
    }
    for (const inner of Object.values(value)) {
      if (typeof inner === 'object') open.push(inner);
    }
  }
}

function refuseForbidden(node: Tree): void {
  const position = node.position ?? 0;
  const type: string = node.type;
  if (type === 'regex') {
    throw new ExpressionRefused(
      'regular expressions are not allowed: their time cannot be bounded',
      position,
      'compare with =, in or $contains(text, "part")',
    );
  }
  if (type === 'transform') {
    throw new ExpressionRefused(
      'a transformation |…|…| is not allowed: a count changes nothing',
      position,
      'count what is there with $count or $sum',
    );
  }
  const reason = type === 'variable' ? FORBIDDEN.get(String(node.value)) : undefined;
  if (reason !== undefined) {
    throw new ExpressionRefused(
      `$${node.value} is not allowed: ${reason}`,
      position,
      'count without it',
    );
  }
  for (const child of childrenOf(node, () => true)) refuseForbidden(child);
}

/**
 * What an expression finds nothing of it counts as 0, so a name that cannot be there would make the
 * product free. Names inside a path, a filter or a group are those of the data: only the first ones
 * are judged.
 */
function refuseUnknown(node: Tree, names: readonly string[]): void {
  if ((node.type as string) === 'path') {
    const [first] = node.steps as Tree[];
    if (first?.type === 'name' && !names.includes(String(first.value))) {
      const name = String(first.value);
      const known = names.join(' and ');
      throw new ExpressionRefused(
        `there is no ${name} here, only ${known}`,
        first.position ?? 0,
        names.length > 1 ? `write answer.${name} or request.${name}` : `write request.${name}`,
      );
    }
    if (first) refuseUnknown(first, names);
    return;
  }
  const isOfRoot = (member: string) => !['predicate', 'stages', 'group'].includes(member);
  for (const child of childrenOf(node, isOfRoot)) refuseUnknown(child, names);
}

function childrenOf(node: Tree, isWanted: (member: string) => boolean): Tree[] {
  return Object.entries(node).flatMap(([member, value]) =>
    isWanted(member) ? nodesIn(value) : [],
  );
}

/** Nodes stand in members, in lists, and in lists of pairs. */
function nodesIn(value: unknown): Tree[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  return value !== null && typeof value === 'object' && !(value instanceof RegExp)
    ? [value as Tree]
    : [];
}
