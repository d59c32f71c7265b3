import type { TSchema } from 'typebox';
import { CENTS_PATTERN } from '../../ledger/operations/money.ts';
import { isObject, marksOf, type Node, type Path } from '../../schema/node.ts';
import { type Violation, violationsOf } from '../../schema/violations.ts';
import { expectation, nearest, shown, type Wording } from '../../schema/words.ts';
import { EXPECTED } from './formats.ts';

/** Finds every violation of a schema in a value, each with a cure. */

/** A fault in a price book. */
export interface Fault {
  readonly path: Path;
  /** The member's name is to blame, not its value. */
  readonly isOfName?: true;
  /** The index in the value, a text, at which the fault begins. */
  readonly offset?: number;
  readonly message: string;
  readonly cure: string;
}

const WORDING: Wording = {
  formats: EXPECTED,
  text: 'a text',
  object: 'an object',
  list: () => 'a list',
};

/** Every violation of the schema in a value, one after the other. */
export function* judge(schema: TSchema, value: unknown): Generator<Fault> {
  for (const violation of violationsOf(schema, value)) yield faultOf(violation);
}

/** A path as people write it: `routes.search.price[0]`. */
export function nameOf(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${shown(step)}`))
    .join('')
    .replace(/^\./, '');
}

function faultOf(violation: Violation): Fault {
  const { kind, path, node, value } = violation;
  const name = nameOf(path);
  switch (kind) {
    case 'unknown':
      return unknownMember(violation);
    case 'missing': {
      const cure = `add it: ${node.description ?? expectation(node, WORDING)}`;
      return { path: path.slice(0, -1), isOfName: true, message: `${name} is missing`, cure };
    }
    case 'empty':
      return { path, message: `${name} is empty`, cure: 'name at least one' };
    case 'length': {
      const message = `${name} must have ${node.minItems ?? 0} to ${node.maxItems} items`;
      return { path, message, cure: node.description ?? '' };
    }
    case 'repeated': {
      const message = `${nameOf(path.slice(0, -1))} has ${shown(String(value))} twice`;
      return { path, message, cure: 'leave one out' };
    }
    case 'unmarked':
      return unmarked(node, value, path);
    case 'wrong':
      return wrong(node, value, path);
  }
}

function unknownMember({ path, node, meant }: Violation): Fault {
  const name = nameOf(path);
  if (node.patternProperties) {
    const cure = `it must be ${EXPECTED[node.format ?? ''] ?? 'shorter'}`;
    return { path, isOfName: true, message: `${name} is not a good name`, cure };
  }
  const known = Object.keys(node.properties ?? {}).join(', ');
  const cure = meant ? `did you mean ${meant}?` : `known are ${known}`;
  return { path, isOfName: true, message: `${name} is not a known member`, cure };
}

function unmarked(node: Node, value: unknown, path: Path): Fault {
  const marks = marksOf(node);
  const message = `${nameOf(path)} must be an object that has one of ${marks.join(', ')}`;
  const written = isObject(value) ? Object.keys(value) : [];
  const [meant] = written.flatMap((name) => nearest(name, marks) ?? []);
  return { path, message, cure: meant ? `did you mean ${meant}?` : 'write one of them' };
}

function wrong(node: Node, value: unknown, path: Path): Fault {
  const name = nameOf(path) || 'the price book';
  const expected = expectation(node, WORDING);
  if (value === null) return { path, message: `${name} is empty`, cure: `it must be ${expected}` };
  if (node.format === 'cents' && typeof value === 'number') {
    const isCents = new RegExp(CENTS_PATTERN).test(String(value));
    const cure = `put it in quotes: "${isCents ? value : '0.5'}"`;
    return { path, message: `${name} is a number, and cents are never numbers`, cure };
  }
  const meant = node.enum ? nearest(String(value), node.enum) : undefined;
  const cure = meant ? `did you mean ${meant}?` : (node.description ?? '');
  return { path, message: `${name} must be ${expected}`, cure };
}
