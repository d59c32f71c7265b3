import type { Expression, ExprNode } from 'jsonata';
import { childrenOf, nodesIn, type Tree, treeOf } from './expression.ts';

/**
 * Bounds what a count may do by counting its steps. So whether it fails depends on the expression and
 * the data alone: a clock would also see the machine's load, and every pause of the process.
 *
 * JSONata calls a hook after each node of an expression that it has evaluated. A node is one step, and
 * one more for every 64 items or characters, or 8 members, of its result: the next may go through them.
 * Nodes that do more than their result shows are weighed besides.
 */

const MOST_STEPS = 200_000;
const ITEMS_A_STEP = 64;
/** To go through the members of an object takes so many times as long as through the items of a list. */
const ITEMS_A_MEMBER = 8;

const ENTRY = Symbol.for('jsonata.__evaluate_entry');
const EXIT = Symbol.for('jsonata.__evaluate_exit');
/** The variable that carries the work of an evaluation: no variable of an expression has a blank. */
const VARIABLE = ' work';

/** The steps that one evaluation may still take. */
export class Work {
  readonly #most: number;
  #items = 0;
  readonly #evaluated = new Map<object, number>();

  constructor(mostSteps: number = MOST_STEPS) {
    this.#most = mostSteps;
  }

  /** Throws if the steps are used up. */
  spend(items: number): void {
    this.#items += items;
    if (this.#items > this.#most * ITEMS_A_STEP) {
      throw new Error(`it takes more than ${this.#most} steps`);
    }
  }

  /** How often it was called for this node before. */
  timesBefore(node: object): number {
    const times = this.#evaluated.get(node) ?? 0;
    this.#evaluated.set(node, times + 1);
    return times;
  }

  /** The variables of an evaluation that is to spend this work. */
  get bindings(): Record<string, Work> {
    return { [VARIABLE]: this };
  }
}

/** Makes every evaluation of an expression spend the work in its bindings. */
export function boundWork(expression: Expression): void {
  const marks = { compared: new Set<object>(), grouping: new Set<object>(), hasWildcard: false };
  mark(treeOf(expression.ast()), marks);
  const hook = (name: symbol, spend: (work: Work, node: object, value: unknown) => void) => {
    const call = (node: ExprNode, input: unknown, environment: Environment, result: unknown) => {
      spend(environment.lookup(VARIABLE), node, name === ENTRY ? input : result);
    };
    // JSONata's types know only names that are texts.
    expression.assign(name as unknown as string, call);
  };
  hook(EXIT, (work, node, result) => {
    work.spend(ITEMS_A_STEP + sizeOf(result));
    if (marks.compared.has(node)) spendOnAll(work, result);
    if (marks.grouping.has(node)) work.spend(work.timesBefore(node));
  });
  if (!marks.hasWildcard) return;
  hook(ENTRY, (work, node, input) => {
    if ((node as Tree).type === 'wildcard') work.spend(itemsCopied(input));
  });
}

interface Environment {
  lookup(name: string): Work;
}

interface Marks {
  /** Operands of = and !=, which are compared to their depths. */
  readonly compared: Set<object>;
  /** Keys of groups: with each item the group is copied. */
  readonly grouping: Set<object>;
  hasWildcard: boolean;
}

function mark(node: Tree, marks: Marks): void {
  if (node.type === 'wildcard') marks.hasWildcard = true;
  if (node.type === 'binary' && (node.value === '=' || node.value === '!=')) {
    for (const operand of nodesIn([node['lhs'], node['rhs']])) marks.compared.add(operand);
  }
  for (const group of nodesIn(node['group'])) {
    for (const [key] of group['lhs'] as [Tree][]) marks.grouping.add(key);
  }
  for (const child of childrenOf(node)) mark(child, marks);
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value === null || typeof value !== 'object') return 0;
  return Array.isArray(value) ? value.length : ITEMS_A_MEMBER * Object.keys(value).length;
}

/** Spends what it takes to go through a value to its depths. */
function spendOnAll(work: Work, value: unknown): void {
  if (value === null || typeof value !== 'object') return;
  const open: unknown[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    work.spend(1 + sizeOf(next));
    for (const inner of Object.values(next as object)) {
      if (typeof inner === 'object' && inner !== null) open.push(inner);
    }
  }
}

/** A wildcard puts the lists that are members together one by one, and copies all before each time. */
function itemsCopied(input: unknown): number {
  if (input === null || typeof input !== 'object') return 0;
  const lists = Object.values(input).filter((member) => Array.isArray(member));
  return lists.length * lists.reduce((sum, list) => sum + list.length, 0);
}
