import type { Expression, ExprNode } from 'jsonata';
import { childrenOf, nodesIn, type Tree, treeOf } from './expression.ts';

/**
 * Bounds the work of a count by its steps. So a failure depends only on the expression and the
 * data. A time limit would also depend on the machine's load and on pauses of the process.
 *
 * JSONata calls a hook after it has evaluated a node. A node costs one step, and one more for every
 * 64 items or characters, or 8 members, of its result. (The next node may go through them.) A node
 * that does more work than its result shows costs extra.
 */

const MOST_STEPS = 200_000;
const ITEMS_A_STEP = 64;
/** A member of an object takes this many times as long to visit as an item of a list. */
const ITEMS_A_MEMBER = 8;

const ENTRY = Symbol.for('jsonata.__evaluate_entry');
const EXIT = Symbol.for('jsonata.__evaluate_exit');
/**
 * The variable that carries the work of an evaluation. No expression can name it: it has a blank.
 */
const VARIABLE = ' work';

/** The steps that one evaluation may still take. */
export class Work {
  readonly #most: number;
  #items = 0;
  readonly #evaluated = new Map<object, number>();

  constructor(mostSteps: number = MOST_STEPS) {
    this.#most = mostSteps;
  }

  /** Counts `items` against the bound. Throws if the steps are used up. */
  spend(items: number): void {
    this.#items += items;
    if (this.#items > this.#most * ITEMS_A_STEP) {
      throw new Error(`it takes more than ${this.#most} steps`);
    }
  }

  /** The number of earlier calls for this node. */
  timesBefore(node: object): number {
    const times = this.#evaluated.get(node) ?? 0;
    this.#evaluated.set(node, times + 1);
    return times;
  }

  /** The variables to pass to an evaluation, so that it spends this work. */
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
    // JSONata's types allow only strings as names.
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
  /** Operands of = and !=, which are compared deeply. */
  readonly compared: Set<object>;
  /** Keys of groups: JSONata copies the group with each item. */
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

/** Spends the work of walking through a whole value. */
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

/**
 * A wildcard concatenates the lists among the members one by one, and copies all earlier ones each
 * time.
 */
function itemsCopied(input: unknown): number {
  if (input === null || typeof input !== 'object') return 0;
  const lists = Object.values(input).filter((member) => Array.isArray(member));
  return lists.length * lists.reduce((sum, list) => sum + list.length, 0);
}
