import type { MemberNames } from './price-book.ts';

/**
 * Names of members as lenient readers take them. An upstream may read `Effort`, `effort[]` or
 * `research.effort` as a member that the price knows under another spelling, and so would not see.
 */

/** The names that a price looks for, and everything that a reader could take for one of them. */
class Spelling {
  readonly #meant = new Map<string, string>();
  readonly #names: ReadonlySet<string>;

  constructor(names: ReadonlySet<string>) {
    this.#names = names;
    for (const name of names) for (const form of formsOf(name)) this.#meant.set(form, name);
  }

  /** The name that a reader may take `written` for; undefined: none of them. */
  meantBy(written: string): string | undefined {
    if (this.#names.has(written)) return written;
    const [cut, flat] = formsOf(written);
    return this.#meant.get(cut) ?? this.#meant.get(flat);
  }
}

/** The names that a price looks for among the members of a request, and in anything inside it. */
interface Spellings {
  readonly top: Spelling;
  readonly deep: Spelling;
}

/** The spellings of a route's names, made once for each route. */
export function spellingOf(names: MemberNames): Spellings {
  let spellings = made.get(names);
  if (!spellings) {
    const { top, deep } = names;
    spellings = { top: new Spelling(new Set([...top, ...deep])), deep: new Spelling(deep) };
    made.set(names, spellings);
  }
  return spellings;
}
const made = new WeakMap<MemberNames, Spellings>();

/**
 * A name as PHP registers it: without blanks before it, and with `_` for dots, brackets, blanks and NULs
 * (https://www.php.net/manual/language.variables.external.php). Letters are folded, since some readers
 * ignore their case: by way of the capitals, for letters such as `ſ` that have one in ASCII.
 */
export function flattened(name: string): string {
  return name
    .trimStart()
    .replace(/[.[ \0]/g, '_')
    .toUpperCase()
    .toLowerCase();
}

/** Both ways to take a bracket: it begins an index, as a NUL ends a name; or it is part of the name. */
function formsOf(name: string): [cut: string, flat: string] {
  const [head = ''] = name.split(/[[\0]/, 1);
  return [flattened(head.trimEnd()), flattened(name)];
}

/** Every object in a JSON value, itself included. */
export function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  const open = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (next === null || typeof next !== 'object') continue;
    for (const inner of Object.values(next)) if (typeof inner === 'object') open.push(inner);
    if (!Array.isArray(next)) yield next as Record<string, unknown>;
  }
}
