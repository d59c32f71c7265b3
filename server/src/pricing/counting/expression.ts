import type { ExprNode } from 'jsonata';
import { nearest } from '../../schema/words.ts';
import type { MemberNames } from '../book/price-book.ts';

/**
 * The rules of a counting expression. A member that it does not find counts as 0, so a typo would
 * make a product free. Therefore every name that can be checked before a call is checked here.
 */

const FUNCTIONS: ReadonlySet<string> = new Set([
  ...['sum', 'count', 'max', 'min', 'average', 'number', 'floor', 'ceil', 'round', 'abs'],
  ...['sqrt', 'power', 'boolean', 'not', 'exists', 'type', 'assert', 'error'],
  ...['string', 'length', 'substring', 'substringBefore', 'substringAfter', 'lowercase'],
  ...['uppercase', 'trim', 'contains', 'split', 'join'],
  ...['map', 'filter', 'single', 'reduce', 'sift', 'each', 'append', 'reverse', 'zip'],
  ...['keys', 'lookup', 'merge'],
]);

const TIMELESS = 'a count must be the same each time';
const UNBOUNDED = 'its time or memory cannot be bounded';
/** The forbidden functions of JSONata, with the reason for each. */
const FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ['eval', 'it would run text that a request or an answer brings'],
  ['now', TIMELESS],
  ['millis', TIMELESS],
  ['random', TIMELESS],
  ['shuffle', TIMELESS],
  ['match', UNBOUNDED],
  ['replace', UNBOUNDED],
  ['distinct', UNBOUNDED],
  ['pad', UNBOUNDED],
  ['sort', UNBOUNDED],
  ['spread', UNBOUNDED],
]);

/** An expression cannot be used; `position` is the index of the fault, from 0. */
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

/** A node of JSONata's syntax tree. JSONata's own types describe only some of its members. */
export interface Tree {
  readonly type: string;
  readonly value?: unknown;
  readonly position?: number;
  readonly [member: string]: unknown;
}

/** The syntax tree of an expression, as `Tree`. */
export function treeOf(root: ExprNode): Tree {
  return root as unknown as Tree;
}

/** Throws ExpressionRefused if an expression is forbidden, or uses other names than `names`. */
export function judgeExpression(tree: ExprNode, names: readonly string[]): void {
  const root = treeOf(tree);
  const own = new Set<unknown>();
  collectOwn(root, own);
  judgeNodes(root, own);
  judgeNames(root, names);
}

/** Collects the variables that the expression itself defines. */
function collectOwn(node: Tree, own: Set<unknown>): void {
  if (node.type === 'bind') own.add((node['lhs'] as Tree).value);
  if (node.type === 'lambda') for (const { value } of nodesIn(node['arguments'])) own.add(value);
  own.add(node['focus']).add(node['index']);
  for (const { value, type } of nodesIn(node['stages'])) if (type === 'index') own.add(value);
  for (const child of childrenOf(node)) collectOwn(child, own);
}

function judgeNodes(node: Tree, own: ReadonlySet<unknown>): void {
  switch (node.type) {
    case 'regex':
      throw refused(
        node,
        `a regular expression is not allowed: ${UNBOUNDED}`,
        'compare with =, in or $contains(text, "part")',
      );
    case 'transform':
      throw refused(
        node,
        'a transformation |…|…| is not allowed: a count changes nothing',
        'count what is there with $count or $sum',
      );
    case 'variable':
      judgeVariable(node, own);
      break;
    case 'function':
      judgeCall(node);
      break;
  }
  for (const child of childrenOf(node)) judgeNodes(child, own);
}

function judgeVariable(node: Tree, own: ReadonlySet<unknown>): void {
  const name = String(node.value);
  if (name === '' || name === '$' || FUNCTIONS.has(name) || own.has(name)) return;
  const reason = FORBIDDEN.get(name);
  if (reason) throw refused(node, `$${name} is not allowed: ${reason}`, 'count without it');
  const known = [...FUNCTIONS, ...[...own].flatMap((word) => (word ? [String(word)] : []))];
  const meant = nearest(name, known);
  throw refused(
    node,
    `there is no $${name} here`,
    meant ? `did you mean $${meant}?` : `known are ${known.map((word) => `$${word}`).join(', ')}`,
  );
}

function judgeCall(node: Tree): void {
  const [procedure] = nodesIn(node['procedure']);
  const [step] = nodesIn(procedure?.['steps']);
  const name = String(step?.value);
  if (procedure?.type !== 'path' || !FUNCTIONS.has(name)) return;
  throw refused(step ?? node, `${name} is not a function`, `write $${name}`);
}

/**
 * Judges the first name of each path. The other names, also in filters and groups, belong to the
 * data.
 */
function judgeNames(node: Tree, names: readonly string[]): void {
  if (node.type !== 'path') {
    for (const child of childrenOf(node, OF_DATA)) judgeNames(child, names);
    return;
  }
  const [first] = nodesIn(node['steps']);
  if (!first) return;
  const name = String(first.value);
  if (first.type !== 'name' || names.includes(name)) {
    judgeNames(first, names);
    return;
  }
  throw refused(
    first,
    `there is no ${name} here, only ${names.join(' and ')}`,
    name === 'answer'
      ? 'it is known only after the call: count the request alone'
      : `write ${names.map((known) => `${known}.${name}`).join(' or ')}`,
  );
}

/** The names that an expression may look up in a request, in paths or as strings. */
export function namesOf(tree: ExprNode): MemberNames {
  const names = { top: new Set<string>(), deep: new Set<string>() };
  collectNames(treeOf(tree), 'root', names);
  return names;
}

/** The value in which a bare name is looked up. `unknown` may be the request. */
type Place = 'root' | 'answer' | 'unknown';
type Names = { readonly top: Set<string>; readonly deep: Set<string> };

function collectNames(node: Tree, place: Place, names: Names): void {
  const inner = place === 'root' ? 'unknown' : place;
  if (node.type === 'string') names.deep.add(String(node.value));
  if (node.type === 'name' && place !== 'answer') names.deep.add(String(node.value));
  if (node.type === 'path') {
    collectPath(node, place, names);
    return;
  }
  for (const child of childrenOf(node, OF_DATA)) collectNames(child, place, names);
  for (const child of childrenOf(node, OF_DATA, true)) collectNames(child, inner, names);
}

function collectPath(path: Tree, place: Place, names: Names): void {
  const steps = nodesIn(path['steps']);
  const [variable] = steps;
  const isAbsolute = variable?.type === 'variable' && variable.value === '$';
  const [root, member] = isAbsolute ? steps.slice(1) : steps;
  const isRooted = isAbsolute || place === 'root';
  const isOf = (name: string) => isRooted && root?.type === 'name' && root.value === name;
  const inner = isOf('answer') || place === 'answer' ? 'answer' : 'unknown';
  const isTop = isOf('request') && member?.type === 'name';
  if (isTop) names.top.add(String(member.value));
  for (const step of steps) {
    const isNamed = step === root && (isOf('answer') || isOf('request'));
    if (isNamed || (isTop && step === member)) {
      for (const child of childrenOf(step)) collectNames(child, inner, names);
    } else {
      collectNames(step, step === steps[0] ? place : inner, names);
    }
  }
  for (const child of childrenOf(path, ['steps'])) collectNames(child, inner, names);
}

/** Members of a node in which names belong to the data. */
const OF_DATA = ['predicate', 'stages', 'group'];

/** The children of a node, without those in the members `named`; with `only`, just those. */
export function childrenOf(node: Tree, named: readonly string[] = [], only = false): Tree[] {
  return Object.entries(node).flatMap(([member, value]) =>
    named.includes(member) === only ? nodesIn(value) : [],
  );
}

/** The nodes in a member's value: a node, a list, or a list of pairs. */
export function nodesIn(value: unknown): Tree[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  return value !== null && typeof value === 'object' && !(value instanceof RegExp)
    ? [value as Tree]
    : [];
}

/** Points at the beginning of the word; JSONata's position is its end. */
function refused(node: Tree, message: string, cure: string): ExpressionRefused {
  const width = String(node.value ?? '').length + (node.type === 'variable' ? 1 : 0);
  return new ExpressionRefused(message, Math.max(0, (node.position ?? 0) - width), cure);
}
