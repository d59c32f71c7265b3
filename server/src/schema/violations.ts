import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { isObject, marksOf, type Node, type Path } from './node.ts';
import { nearest } from './words.ts';

/**
 * Finds every place at which a value breaks a JSON Schema, as data: requests and price books describe
 * it in words of their own. The errors of typebox do not suffice: for a list of alternatives they say
 * only that none fits.
 */

/**
 * - `unknown`: the object at `node` knows no member of the path's last name; `meant` is a near one.
 * - `missing`: the member at the path, of the schema `node`, is required.
 * - `empty`: the object has fewer members than it must have.
 * - `length`: the list has too few or too many items.
 * - `repeated`: the item at the path is in the list `node` for the second time.
 * - `unmarked`: the object has none of the members that identify the alternatives of `node`.
 * - `wrong`: the value has another form than `node` requires.
 */
export interface Violation {
  readonly kind: 'unknown' | 'missing' | 'empty' | 'length' | 'repeated' | 'unmarked' | 'wrong';
  readonly path: Path;
  readonly node: Node;
  readonly value: unknown;
  readonly meant?: string | undefined;
}

/** Every violation; in an object, unknown members come first. A value without any fits the schema. */
export function violationsOf(schema: TSchema, value: unknown): Generator<Violation> {
  return at(schema as Node, value, []);
}

function* at(node: Node, value: unknown, path: Path): Generator<Violation> {
  const meant = node.anyOf && meantOf(node.anyOf, value);
  if (meant) yield* at(meant, value, path);
  else if (node.type === 'object') yield* inObject(node, value, path);
  else if (node.type === 'array') yield* inList(node, value, path);
  else if (node.anyOf?.every(({ type }) => type === 'object')) {
    yield* inAlternatives(node, value, path);
  } else if (!Value.Check(node as TSchema, value)) yield { kind: 'wrong', path, node, value };
}

function* inObject(node: Node, value: unknown, path: Path): Generator<Violation> {
  if (!isObject(value)) return yield { kind: 'wrong', path, node, value };
  const { properties = {}, required = [], minProperties = 0 } = node;
  const names = Object.keys(value);
  const typos = new Set<string>();
  for (const name of names) {
    if (Object.hasOwn(properties, name)) continue;
    const child = childByPattern(node, name);
    if (child) yield* at(child, value[name], [...path, name]);
    else if (node.additionalProperties === false) {
      const meant = nearest(name, Object.keys(properties));
      if (meant !== undefined) typos.add(meant);
      yield { kind: 'unknown', path: [...path, name], node, value: value[name], meant };
    }
  }
  for (const [name, child] of Object.entries(properties)) {
    if (Object.hasOwn(value, name)) yield* at(child, value[name], [...path, name]);
  }
  for (const name of required) {
    if (Object.hasOwn(value, name) || typos.has(name)) continue;
    yield {
      kind: 'missing',
      path: [...path, name],
      node: properties[name] ?? {},
      value: undefined,
    };
  }
  if (names.length < minProperties) yield { kind: 'empty', path, node, value };
}

function* inList(node: Node, value: unknown, path: Path): Generator<Violation> {
  if (!Array.isArray(value)) return yield { kind: 'wrong', path, node, value };
  const { minItems = 0, maxItems = Infinity, items, uniqueItems } = node;
  if (value.length < minItems || value.length > maxItems) {
    yield { kind: 'length', path, node, value };
  }
  if (items) for (const [index, item] of value.entries()) yield* at(items, item, [...path, index]);
  if (!uniqueItems) return;
  const seen = new Set<unknown>();
  for (const [index, item] of value.entries()) {
    if (seen.has(item)) yield { kind: 'repeated', path: [...path, index], node, value: item };
    seen.add(item);
  }
}

function* inAlternatives(node: Node, value: unknown, path: Path): Generator<Violation> {
  const marks = marksOf(node);
  const chosen = node.anyOf?.find(
    (_, index) => isObject(value) && Object.hasOwn(value, marks[index] ?? ''),
  );
  if (chosen) yield* at(chosen, value, path);
  else yield { kind: 'unmarked', path, node, value };
}

/** The alternative of the value's form (object, list or scalar), if there is exactly one. */
function meantOf(nodes: readonly Node[], value: unknown): Node | undefined {
  const kind = isObject(value) ? 'object' : Array.isArray(value) ? 'array' : 'scalar';
  const alike = nodes.filter(
    ({ type }) => kind === (type === 'object' || type === 'array' ? type : 'scalar'),
  );
  return alike.length === 1 ? alike[0] : undefined;
}

function childByPattern({ patternProperties = {} }: Node, name: string): Node | undefined {
  const found = Object.entries(patternProperties).find(([pattern]) =>
    new RegExp(pattern).test(name),
  );
  return found?.[1];
}
