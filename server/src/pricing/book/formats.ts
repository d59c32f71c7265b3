import { Type } from 'typebox';
import { CENTS_PATTERN } from '../../ledger/operations/money.ts';

/** The kinds of values that a price book is made of, as JSON Schema. */

/** The expected text of each format, in the words of a problem. */
export const EXPECTED: Readonly<Record<string, string>> = {
  cents: 'cents in quotes with at most six decimals, such as "0.5"',
  name: 'a name of at most 64 lower-case letters, digits, _ and -, such as search',
  quantity: 'a name of at most 32 lower-case letters, digits and _, such as pages',
  member: 'the name of a member of at most 128 letters, digits, _, . and -',
  'http-url': 'an http or https address, such as https://api.example.com',
  header: 'the name of a header, such as X-API-Key',
  'environment-variable': 'the name of an environment variable, such as UPSTREAM_KEY',
  path: 'a path that begins with /, such as /v1/search or /v1/items/:id',
  scope: 'a word of at most 64 lower-case letters, digits and _, such as search',
  'header-text': 'at most 64 characters that a header may hold',
  expression: 'a JSONata expression of at most 4096 characters',
};

/** A text of a named format. */
export const text = (format: string, pattern: string, title: string, description: string) =>
  Type.String({ format, pattern, title, description });

/** The name of a member of a request, an answer or an event. */
export const Member = (title: string, description: string) =>
  text('member', '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$', title, description);

/** The name of an event of a stream, or a list of such. */
export const EventNames = (title: string, description: string) => {
  const name = Member('Event', 'The name of an event.');
  const list = { minItems: 1, maxItems: 8, description: 'At most 8 names of events.' };
  return Type.Union([name, Type.Array(name, list)], { title, description });
};

/** An amount: cents as a decimal string. */
export const Cents = (title: string, description: string) =>
  text(
    'cents',
    CENTS_PATTERN,
    title,
    `${description} Cents as a decimal string with at most six decimals, in quotes: "0.5".`,
  );

/** A JSONata expression. */
export const Expression = (title: string, description: string) =>
  Type.String({ format: 'expression', minLength: 1, maxLength: 4_096, title, description });

/** Seconds, whose bounds and default stand in the description. */
export const Seconds = (title: string, description: string, bounds: Bounds) =>
  Type.Number({ ...bounds, title, description: `${description} ${boundsIn(bounds, 'seconds')}` });

/** A whole number, whose bounds and default stand in the description. */
export const Whole = (title: string, description: string, bounds: Bounds, unit: string) =>
  Type.Integer({ ...bounds, title, description: `${description} ${boundsIn(bounds, unit)}` });

/** One of a few words; the description names the default. */
export const Choice = <const Word extends string>(
  title: string,
  description: string,
  words: readonly Word[],
  fallback: Word,
) =>
  Type.Unsafe<Word>({
    type: 'string',
    enum: [...words],
    default: fallback,
    title,
    description: `${description} Default: ${fallback}.`,
  });

interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
  readonly default?: number;
}

function boundsIn({ minimum, maximum, default: fallback }: Bounds, unit: string): string {
  const range = `${minimum} to ${maximum} ${unit}`;
  return fallback === undefined ? `${range}.` : `${range}; default ${fallback}.`;
}
