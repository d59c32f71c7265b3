import { distance } from 'fastest-levenshtein';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { CENTS_PATTERN } from '../../ledger/operations/money.ts';
import { EXPECTED } from './formats.ts';

/**
 * Judges a value by a schema and tells every violation, each with a cure. (A validator of JSON Schema
 * says of a list of alternatives only that none fits.)
 */

/** Where something stands in a value. */
export type Path = readonly (string | number)[];

export interface Violation {
  readonly path: Path;
  /** The member's name is to blame, not its value. */
  readonly isOfName?: true;
  /** Where in the value, a text, it begins. */
  readonly offset?: number;
  readonly message: string;
  readonly cure: string;
}

/** What of a schema it is judged by. */
interface Node {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly uniqueItems?: boolean;
}

/** How many characters a name may be off to be taken for another. */
const TYPO_DISTANCE = 3;
const LONGEST_SHOWN = 64;
/** Of many names only the first are compared with a word. */
const MOST_COMPARED = 100;

/** Every violation of the schema in a value, one after the other. */
export function judge(schema: TSchema, value: unknown): Generator<Violation> {
  return violationsOf(schema as Node, value, []);
}

/** A path as people write it: `routes.search.price[0]`. */
export function nameOf(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${shown(step)}`))
    .join('')
    .replace(/^\./, '');
}

/** The word that was meant, where one is near. */
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

function* violationsOf(node: Node, value: unknown, path: Path): Generator<Violation> {
  const meant = node.anyOf && meantOf(node.anyOf, value);
  if (meant) yield* violationsOf(meant, value, path);
  else if (node.type === 'object') yield* ofObject(node, value, path);
  else if (node.type === 'array') yield* ofList(node, value, path);
  else if (node.anyOf?.every(({ type }) => type === 'object')) {
    yield* ofAlternatives(node.anyOf, value, path);
  } else if (!Value.Check(node as TSchema, value)) yield wrong(node, value, path);
}

function* ofObject(node: Node, value: unknown, path: Path): Generator<Violation> {
  if (!isObject(value)) return yield wrong(node, value, path);
  for (const [name, inner] of Object.entries(value)) {
    const child = childOf(node, name);
    if (child) yield* violationsOf(child, inner, [...path, name]);
    else yield unknownMember(node, name, [...path, name]);
  }
  const unknown = Object.keys(value).filter((name) => !childOf(node, name));
  const meant = unknown.map((name) => nearest(name, Object.keys(node.properties ?? {})));
  for (const name of node.required ?? []) {
    if (Object.hasOwn(value, name) || meant.includes(name)) continue;
    yield missing(node.properties?.[name], [...path, name], path);
  }
  if (Object.keys(value).length < (node.minProperties ?? 0)) {
    yield { path, message: `${nameOf(path)} is empty`, cure: 'name at least one' };
  }
}

function* ofList(node: Node, value: unknown, path: Path): Generator<Violation> {
  if (!Array.isArray(value)) return yield wrong(node, value, path);
  const { minItems = 0, maxItems = Infinity, items, uniqueItems } = node;
  if (value.length < minItems || value.length > maxItems) {
    const message = `${nameOf(path)} must have ${minItems} to ${maxItems} items`;
    yield { path, message, cure: node.description ?? '' };
  }
  for (const [index, item] of value.entries()) {
    if (items) yield* violationsOf(items, item, [...path, index]);
    if (uniqueItems && value.indexOf(item) < index) {
      const message = `${nameOf(path)} has ${shown(String(item))} twice`;
      yield { path: [...path, index], message, cure: 'leave one out' };
    }
  }
}

/** Objects of which each is known by its first required member. */
function* ofAlternatives(nodes: readonly Node[], value: unknown, path: Path): Generator<Violation> {
  const marks = nodes.map(({ required }) => required?.[0] ?? '');
  const chosen = nodes.find(
    (_, index) => isObject(value) && Object.hasOwn(value, marks[index] ?? ''),
  );
  if (chosen) return yield* violationsOf(chosen, value, path);
  const message = `${nameOf(path)} must be an object that has one of ${marks.join(', ')}`;
  const written = isObject(value) ? Object.keys(value) : [];
  const meant = written.flatMap((name) => nearest(name, marks) ?? []);
  const cure = meant[0] === undefined ? 'write one of them' : `did you mean ${meant[0]}?`;
  yield { path, message, cure };
}

/** The only one of the alternatives that is an object, a list or neither, as the value is. */
function meantOf(nodes: readonly Node[], value: unknown): Node | undefined {
  const kind = isObject(value) ? 'object' : Array.isArray(value) ? 'array' : 'scalar';
  const alike = nodes.filter(
    ({ type }) => kind === (type === 'object' || type === 'array' ? type : 'scalar'),
  );
  return alike.length === 1 ? alike[0] : undefined;
}

function childOf({ properties, patternProperties }: Node, name: string): Node | undefined {
  if (properties && Object.hasOwn(properties, name)) return properties[name];
  return Object.entries(patternProperties ?? {}).find(([pattern]) =>
    new RegExp(pattern).test(name),
  )?.[1];
}

function unknownMember(node: Node, name: string, path: Path): Violation {
  if (node.patternProperties) {
    const message = `${nameOf(path)} is not a good name`;
    const cure = `it must be ${EXPECTED[node.format ?? ''] ?? 'shorter'}`;
    return { path, isOfName: true, message, cure };
  }
  const known = Object.keys(node.properties ?? {});
  const meant = nearest(name, known);
  const cure = meant ? `did you mean ${meant}?` : `known are ${known.join(', ')}`;
  return { path, isOfName: true, message: `${nameOf(path)} is not a known member`, cure };
}

function missing(node: Node | undefined, path: Path, at: Path): Violation {
  const cure = `add it: ${node?.description ?? expectation(node)}`;
  return { path: at, isOfName: true, message: `${nameOf(path)} is missing`, cure };
}

function wrong(node: Node, value: unknown, path: Path): Violation {
  const name = nameOf(path) || 'the price book';
  if (value === null) {
    return { path, message: `${name} is empty`, cure: `it must be ${expectation(node)}` };
  }
  if (node.format === 'cents' && typeof value === 'number') {
    const isCents = new RegExp(CENTS_PATTERN).test(String(value));
    const cure = `put it in quotes: "${isCents ? value : '0.5'}"`;
    return { path, message: `${name} is a number, and cents are never numbers`, cure };
  }
  const meant = node.enum ? nearest(String(value), node.enum) : undefined;
  const cure = meant ? `did you mean ${meant}?` : (node.description ?? '');
  return { path, message: `${name} must be ${expectation(node)}`, cure };
}

/** What a value must be, in words. */
function expectation(node: Node | undefined): string {
  if (node?.enum) return `one of ${node.enum.join(', ')}`;
  if (node?.anyOf) return node.anyOf.map(expectation).join(', or ');
  switch (node?.type) {
    case 'integer':
      return `a whole number from ${node.minimum} to ${node.maximum}`;
    case 'number':
      return `a number from ${node.minimum} to ${node.maximum}`;
    case 'array':
      return 'a list';
    case 'boolean':
      return 'true or false';
    case 'object':
      return 'an object';
    default:
      return EXPECTED[node?.format ?? ''] ?? 'a text of 1 to 64 characters';
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function shown(word: string): string {
  return word.length > LONGEST_SHOWN ? `${word.slice(0, LONGEST_SHOWN)}…` : word;
}
