import { type Document, LineCounter, parseDocument } from 'yaml';
import { type Fault, judge } from './book/judge.ts';
import { neighbours } from './book/neighbours.ts';
import { excessOf, placeAt, placeOf } from './book/place.ts';
import type { PriceBook } from './book/price-book.ts';
import { PriceBookSchema, type RawBook } from './book/schema.ts';
import { buildBook } from './build.ts';
import { judgeBook } from './rules.ts';

/** An error or a warning about a price book, with its place in the file. */
export interface Problem {
  /** The first line is 1. */
  readonly line: number;
  /** The first column is 1. */
  readonly column: number;
  readonly message: string;
  /** The way to mend it. */
  readonly cure: string;
}

export type Parsed =
  | { readonly book: PriceBook; readonly warnings: readonly Problem[] }
  | { readonly problems: readonly Problem[] };

const LARGEST_BYTES = 1_048_576;
/** Bounds the values that aliases repeat (`maxAliasCount` of the YAML parser). */
const MOST_REPEATED = 100;
/** The most problems that one check reports: the schema, the rules, and the warnings each. */
const MOST_PROBLEMS = 200;

/**
 * Parses a price book. Returns it with warnings, or returns all its problems (at most some hundred)
 * in the order of their lines. If the text is not YAML, these are the syntax errors alone: the rest
 * would be a guess.
 */
export function parsePriceBook(text: string): Parsed {
  if (Buffer.byteLength(text) > LARGEST_BYTES) {
    return alone(
      'the price book is larger than 1 MiB',
      'leave out the routes that the gateway does not need',
    );
  }
  const lines = new LineCounter();
  const excess = excessOf(text, lines);
  if (excess) {
    const { line, column, why: message } = excess;
    return {
      problems: [{ line, column, message, cure: 'write it with fewer levels and members' }],
    };
  }
  const document = parseDocument(text, { prettyErrors: false, merge: true });
  const problems = syntaxProblems(document, lines);
  if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return { problems };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MOST_REPEATED });
  } catch (error) {
    return alone(`an alias cannot be followed: ${(error as Error).message}`, 'write it out');
  }
  const placed = (found: Fault): Problem => {
    const { message, cure } = found;
    return { ...placeOf(document, lines, text, found), message, cure };
  };
  problems.push(...faultsOf(value).map(placed));
  if (problems.length > 0) return { problems: problems.sort(byPlace) };
  const raw = value as RawBook;
  const warnings = firstOf(neighbours(raw.routes)).map(placed).sort(byPlace);
  return { book: buildBook(raw), warnings };
}

function byPlace(a: Problem, b: Problem): number {
  return a.line - b.line || a.column - b.column;
}

/** The violations of the schema and of the rules. The rules need all violations of the schema. */
function faultsOf(value: unknown): Fault[] {
  const ofSchema = firstOf(judge(PriceBookSchema, value));
  if (ofSchema.length === MOST_PROBLEMS) return ofSchema;
  return [...ofSchema, ...firstOf(judgeBook(value, ofSchema))];
}

function firstOf(faults: Iterable<Fault>): Fault[] {
  const first: Fault[] = [];
  for (const fault of faults) {
    first.push(fault);
    if (first.length === MOST_PROBLEMS) break;
  }
  return first;
}

/** Formats problems for people: the place and the message, and the cure on the next line. */
export function formatProblems(file: string, problems: readonly Problem[]): string {
  return problems
    .map(
      ({ line, column, message, cure }) => `${file}:${line}:${column}  ${message}\n    ${cure}\n`,
    )
    .join('');
}

function alone(message: string, cure: string): Parsed {
  return { problems: [{ line: 1, column: 1, message, cure }] };
}

function syntaxProblems({ errors, warnings }: Document.Parsed, lines: LineCounter): Problem[] {
  return [...errors, ...warnings].map(({ code, message, pos: [offset] }) => ({
    ...placeAt(lines, offset),
    message: code === 'DUPLICATE_KEY' ? 'this member is here twice' : `not YAML: ${message}`,
    cure: SYNTAX_CURES[code] ?? 'see https://yaml.org/spec/1.2.2/',
  }));
}

const SYNTAX_CURES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'leave one of them out',
  TAB_AS_INDENT: 'indent with spaces',
  BAD_INDENT: 'indent the members of one object by the same number of spaces',
  BLOCK_AS_IMPLICIT_KEY: 'start a new line, or put a text that has ": " in quotes',
  MULTIPLE_DOCS: 'leave out the second --- and all that follows',
  TAG_RESOLVE_FAILED: 'leave the tag out',
  MISSING_CHAR: 'close the quote or the bracket',
};
