import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Node } from '../../schema/node.ts';
import { type Violation, violationsOf } from '../../schema/violations.ts';
import { expectation, shown, type Wording } from '../../schema/words.ts';
import { type ApiError, invalidRequest } from '../errors/api-error.ts';
import { EXPECTED } from './formats.ts';

/** An answer names one violation: the worst of the first ones, at most this many. */
const MOST_COMPARED = 100;

const WORDING: Wording = {
  formats: EXPECTED,
  text: 'a string',
  object: 'a JSON object',
  list: ({ minItems = 0, maxItems }) => `a list of ${minItems} to ${maxItems} items`,
};

/**
 * Judges bodies and query strings by their schemas. Nothing is coerced or dropped, but whole numbers
 * in a query string, which are text there. Headers and path ids are checked by their parsers: a bad
 * header answers 400, a bad id 404.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart !== 'body' && httpPart !== 'querystring') return () => true;
  const check = Compile(schema);
  const isQuery = httpPart === 'querystring';
  return (value: unknown) => {
    const judged = isQuery ? withNumbers(schema as Node, value) : value;
    if (check.Check(judged)) return { value: judged };
    return { error: errorOf(schema, judged, isQuery) };
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

/** The worst of the violations: a member that is unknown, one that is missing, then the first. */
function errorOf(schema: TSchema, value: unknown, isQuery: boolean): ApiError {
  const found: Violation[] = [];
  for (const violation of violationsOf(schema, value)) {
    found.push(violation);
    if (found.length === MOST_COMPARED) break;
  }
  const worst =
    found.find(({ kind }) => kind === 'unknown') ??
    found.find(({ kind }) => kind === 'missing') ??
    found[0];
  return invalidRequest(worst ? detailOf(worst, isQuery) : 'the request does not fit its schema');
}

function detailOf({ kind, path, node }: Violation, isQuery: boolean): string {
  const name = path.map((step) => shown(String(step))).join('.');
  switch (kind) {
    case 'unknown': {
      const known = Object.keys(node.properties ?? {});
      const cure = known.length > 0 ? `known are ${known.join(', ')}` : 'leave it out';
      return `${name} is not a known ${isQuery ? 'query parameter' : 'member'}: ${cure}`;
    }
    case 'missing':
      return `${name} is required: must be ${expectation(node, WORDING)}`;
    case 'repeated':
      return `${path.slice(0, -1).join('.')} must not repeat a word`;
    case 'empty':
    case 'length':
    case 'unmarked':
    case 'wrong':
      if (path.length > 0) return `${name} must be ${expectation(node, WORDING)}`;
      return kind === 'empty'
        ? 'name at least one member to change'
        : 'the body must be a JSON object';
  }
}
