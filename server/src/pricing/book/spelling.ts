import type { MemberNames } from './price-book.ts';

/**
 * Names of members as lenient readers take them. An upstream may read `Effort`, `effort[]` or
 * `research.effort` as a member that the price knows under another spelling, and so would not see.
 */

/** The names that a price looks for, and everything that a reader could take for one of them. */
export class Spelling {
  readonly #top: ReadonlySet<string>;
  readonly #deep: ReadonlySet<string>;
  readonly #meantAtTop: ReadonlyMap<string, string>;
  readonly #meantInside: ReadonlyMap<string, string>;

  /** `top` are names of members of the request itself, `deep` of anything in it. */
  constructor(top: ReadonlySet<string>, deep: ReadonlySet<string>) {
    this.#top = top;
    this.#deep = deep;
    this.#meantInside = byForm(deep);
    this.#meantAtTop = new Map([...this.#meantInside, ...byForm(top)]);
  }

  /** The name that a reader may take `written` for, at the top or further inside; undefined: none of them. */
  meantBy(written: string, isAtTop: boolean): string | undefined {
    if (this.#deep.has(written)) return written;
    if (this.#top.has(written)) return isAtTop ? written : undefined;
    const meant = isAtTop ? this.#meantAtTop : this.#meantInside;
    const [cut, flat] = formsOf(written);
    return meant.get(cut) ?? meant.get(flat);
  }
}

/** The spelling of a route's names, made once for each route. */
export function spellingOf(names: MemberNames): Spelling {
  let spelling = made.get(names);
  if (!spelling) {
    spelling = new Spelling(names.top, names.deep);
    made.set(names, spelling);
  }
  return spelling;
}
const made = new WeakMap<MemberNames, Spelling>();

function byForm(names: ReadonlySet<string>): Map<string, string> {
  return new Map([...names].flatMap((name) => formsOf(name).map((form) => [form, name] as const)));
}

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
