import { distance } from 'fastest-levenshtein';
import type { Node } from './node.ts';

/** The words in which violations are explained. */

/** Names in a message are cut to this length, so that the message stays short. */
const LONGEST_SHOWN = 64;
/** A name counts as a misspelling of another up to this edit distance. */
const TYPO_DISTANCE = 3;
/** A word is compared with the first of the known names only, at most this many. */
const MOST_COMPARED = 100;

/** The terms for the readers, who write JSON or YAML. */
export interface Wording {
  /** The expected text of each `format`. */
  readonly formats: Readonly<Record<string, string>>;
  readonly text: string;
  readonly object: string;
  readonly list: (node: Node) => string;
}

/** The expected value of a schema, in words. */
export function expectation(node: Node, wording: Wording): string {
  if (node.enum) return `one of ${node.enum.join(', ')}`;
  if (node.anyOf) return node.anyOf.map((one) => expectation(one, wording)).join(', or ');
  const { format = '', minLength = 0, maxLength = 'any number of', minimum, maximum } = node;
  switch (node.type) {
    case 'string':
      return (
        wording.formats[format] ?? `${wording.text} of ${minLength} to ${maxLength} characters`
      );
    case 'integer':
      return `a whole number from ${minimum} to ${maximum}`;
    case 'number':
      return `a number from ${minimum} to ${maximum}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return wording.list(node);
    case 'object':
      return wording.object;
    default:
      return String(node.type);
  }
}

/** The word that was meant; undefined: none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > LONGEST_SHOWN) return undefined;
  let best: string | undefined;
  let least = TYPO_DISTANCE + 1;
  for (const other of known.slice(0, MOST_COMPARED)) {
    const allowed = Math.min(least - 1, Math.ceil(other.length / 2), other.length - 1);
    if (Math.abs(other.length - word.length) > allowed) continue;
    const found = distance(word, other);
    if (found > allowed) continue;
    [best, least] = [other, found];
  }
  return best;
}

/** A name as a message shows it: cut, and without half a surrogate pair. */
export function shown(name: string): string {
  const cut = name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}…` : name;
  return cut.toWellFormed();
}
