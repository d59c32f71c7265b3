import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { type ApiError, invalidRequest } from '../errors/api-error.ts';
import { EXPECTED } from './formats.ts';

/** What of a schema a message is made of. */
interface Node {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Node[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** What of typebox's errors a message is made of. */
interface Violation {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
}

/** Longer names of unknown members are cut: an error's text stays short. */
const LONGEST_NAME = 64;

/**
 * Judges bodies and query strings by their schemas. Nothing is coerced or dropped, but whole numbers
 * in a query string, which are text there. Headers and path ids are judged where they are parsed: the
 * first answers 400, the second 404.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart !== 'body' && httpPart !== 'querystring') return () => true;
  const check = Compile(schema);
  const node = schema as Node;
  const isQuery = httpPart === 'querystring';
  return (value: unknown) => {
    const judged = isQuery ? withNumbers(node, value) : value;
    if (check.Check(judged)) return { value: judged };
    return { error: errorOf(node, judged, check.Errors(judged), isQuery) };
  };
};

/** Answers are made by hand from checked values, so their schemas need not filter them. */
export const serializerCompiler = () => JSON.stringify;

function withNumbers(schema: Node, query: unknown): unknown {
  const values = { ...(query as Readonly<Record<string, unknown>>) };
  for (const [name, { type }] of Object.entries(schema.properties ?? {})) {
    const text = values[name];
    if (type === 'integer' && typeof text === 'string' && /^\d{1,9}$/.test(text)) {
      values[name] = Number(text);
    }
  }
  return values;
}

/** The guiltiest of the violations: a member that is unknown, one that is missing, then the first. */
function errorOf(
  schema: Node,
  value: unknown,
  violations: readonly Violation[],
  isQuery: boolean,
): ApiError {
  const noun = isQuery ? 'query parameter' : 'member';
  const unknown = violations.find(({ keyword }) => keyword === 'additionalProperties');
  if (unknown) {
    const { additionalProperties } = unknown.params as { additionalProperties: string[] };
    const path = pathOf(unknown);
    const known = Object.keys(nodeAt(schema, path)?.properties ?? {});
    const cure = known.length > 0 ? `known are ${known.join(', ')}` : 'leave it out';
    const name = [...path, shown(additionalProperties[0])].join('.');
    return invalidRequest(`${name} is not a known ${noun}: ${cure}`);
  }
  const missing = violations.find(({ keyword }) => keyword === 'required');
  if (missing) {
    const { requiredProperties } = missing.params as { requiredProperties: string[] };
    const path = [...pathOf(missing), requiredProperties[0] ?? ''];
    return invalidRequest(`${path.join('.')} is required: ${expectation(nodeAt(schema, path))}`);
  }
  const [first] = violations;
  if (!first || first.instancePath === '') {
    return invalidRequest(
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? 'name at least one member to change'
        : 'the body must be a JSON object',
    );
  }
  const path = pathOf(first);
  const isRepeated = first.keyword === 'uniqueItems';
  const must = isRepeated ? 'must not repeat a word' : expectation(nodeAt(schema, path));
  return invalidRequest(`${shown(path.join('.'))} ${must}`);
}

/** The names and places that lead to what is wrong: `items`, `3`, `amount`. */
function pathOf({ instancePath }: Violation): string[] {
  return instancePath.split('/').slice(1);
}

function nodeAt(schema: Node, path: readonly string[]): Node | undefined {
  return path.reduce<Node | undefined>((at, step) => at?.properties?.[step] ?? at?.items, schema);
}

/** What a member must be, in words. */
function expectation(node: Node | undefined): string {
  const format = node?.format === undefined ? undefined : EXPECTED[node.format];
  if (format !== undefined) return `must be ${format}`;
  if (node?.enum) return `must be one of ${node.enum.join(', ')}`;
  if (node?.anyOf) return `${expectation(node.anyOf[0])}, or null`;
  switch (node?.type) {
    case 'string':
      return `must be a string of ${node.minLength ?? 0} to ${node.maxLength ?? 'any number of'} characters`;
    case 'integer':
      return `must be a whole number from ${node.minimum} to ${node.maximum}`;
    case 'array':
      return `must be a list of ${node.minItems ?? 0} to ${node.maxItems} items`;
    case 'object':
      return 'must be a JSON object';
    default:
      return 'has a wrong shape';
  }
}

/** A name as an error shows it. */
export function shown(name = ''): string {
  const cut = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
  return cut.toWellFormed();
}
