import { createReadStream } from 'node:fs';
import { OperatorError } from '../../operator-error.ts';
import { withTimeOfDay } from '../command/options.ts';

/**
 * The file of `purser key import --file`: CSV (RFC 4180) with the columns sha256, name, scopes and
 * expires_at; all but the first are optional. A header line may name and reorder the columns. Scopes are
 * separated by blanks, or by commas within quotes. `expires_at` is a time or a day.
 */

const COLUMNS = ['sha256', 'name', 'scopes', 'expires_at'] as const;
type Column = (typeof COLUMNS)[number];

/** One line of the file: the body of the request that imports its key. */
export interface KeyLine {
  /** The line's number, from 1. */
  readonly line: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Reads the file line by line, in bounded memory. Throws OperatorError if it is not such a CSV. */
export async function* readKeyFile(path: string): AsyncGenerator<KeyLine> {
  const { parse } = await import('csv-parse');
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  const source = createReadStream(path);
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let columns: readonly Column[] | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<ParsedLine>) {
      const isHeader = columns === undefined && record.some((field) => field === 'sha256');
      columns ??= isHeader ? readHeader(record) : COLUMNS;
      if (!isHeader) yield { line: info.lines, body: readLine(columns, record, info.lines) };
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw unreadable(path, error as NodeJS.ErrnoException);
  } finally {
    source.destroy();
  }
}

interface ParsedLine {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function readHeader(record: readonly string[]): Column[] {
  return record.map((name) => {
    const column = COLUMNS.find((known) => known === name);
    if (column !== undefined) return column;
    throw notOfThisForm(1, `"${name}" is no column.`);
  });
}

function readLine(
  columns: readonly Column[],
  record: readonly string[],
  line: number,
): Record<string, unknown> {
  if (record.length > columns.length) {
    throw notOfThisForm(line, `It has ${record.length} columns, not ${columns.length}.`);
  }
  const body: Record<string, unknown> = {};
  for (const [index, column] of columns.entries()) {
    const field = record[index];
    if (field) body[column] = memberOf(column, field);
  }
  return body;
}

function memberOf(column: Column, field: string): string | string[] {
  if (column === 'scopes') return field.split(/[\s,]+/).filter(Boolean);
  return column === 'expires_at' ? withTimeOfDay(field) : field;
}

function notOfThisForm(line: number, details: string): OperatorError {
  return new OperatorError(
    `Line ${line} of the file cannot be read.`,
    details,
    `Use the columns ${COLUMNS.join(',')}; quote a field that holds a comma. Lines above it may have been imported: to import them again changes nothing.`,
  );
}

function unreadable(path: string, error: NodeJS.ErrnoException): OperatorError {
  return new OperatorError(
    `The file ${path} cannot be read.`,
    error.message,
    error.syscall === undefined
      ? 'Make it a CSV file in UTF-8, with fields in double quotes if they hold commas or quotes.'
      : 'Check the path and your right to read the file.',
    { cause: error },
  );
}
