import pg from 'pg';
import type { Statement } from './database.ts';
import { parameterOf } from './parameters.ts';
import { typeParsers } from './types.ts';

export type Command = readonly [statement: Statement, values?: readonly unknown[]];

/** The result of one command of a flush. */
export type CommandResult =
  | { readonly ok: true; readonly rows: pg.QueryResultRow[]; readonly tag: string }
  | { readonly ok: false; readonly error: Error & { code?: string } };

/** A column of a statement's rows, and how its values are read. */
interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** The statements that a connection has prepared, by their name, with the columns of their rows. */
export type PreparedStatements = Map<string, readonly Column[]>;

/**
 * Several commands as one query of pg's. Their messages end in a single Sync, so PostgreSQL answers
 * them in one piece, and runs none after one that failed. The source is "Pipelining" in PostgreSQL's
 * documentation of the extended query protocol. A statement is parsed and described once a connection.
 */
export class Flush extends (pg.Query as unknown as new (text: string) => object) {
  readonly #commands: readonly Command[];
  readonly #prepared: PreparedStatements;
  readonly #done: (results: CommandResult[]) => void;
  readonly #results: CommandResult[] = [];
  /** By command, the columns that were known when it was sent; another flush may forget them since. */
  readonly #known: (readonly Column[] | undefined)[] = [];
  #columns: readonly Column[] | undefined;
  #rows: pg.QueryResultRow[] = [];
  #unreadable: UnreadableRow | undefined;

  /** `done` gets one result a command, in their order. */
  constructor(
    commands: readonly Command[],
    prepared: PreparedStatements,
    done: (results: CommandResult[]) => void,
  ) {
    super('a flush');
    this.#commands = commands;
    this.#prepared = prepared;
    this.#done = done;
  }

  submit(connection: Connection): null {
    for (const [{ name, text }, values = []] of this.#commands) {
      const known = this.#prepared.get(name);
      this.#known.push(known);
      if (!known) {
        // After an error it may be parsed or not. PostgreSQL allows to close one that does not exist.
        connection.close({ type: 'S', name });
        connection.parse({ name, text });
      }
      connection.bind({ statement: name, values: values.map(parameterOf) });
      if (!known) connection.describe({ type: 'P' });
      connection.execute();
    }
    connection.sync();
    return null;
  }

  handleRowDescription({ fields }: { fields: readonly Field[] }): void {
    this.#columns = fields.map(({ name, dataTypeID }) => ({
      name,
      parse: typeParsers.getTypeParser(dataTypeID as never),
    }));
  }

  /** A row that cannot be read fails its command: an error thrown here would end the process. */
  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    if (this.#unreadable) return;
    const columns = this.#columns ?? this.#known[this.#results.length] ?? [];
    try {
      this.#rows.push(rowOf(fields, columns));
    } catch (error) {
      this.#unreadable = new UnreadableRow('a row cannot be read', { cause: error });
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    const index = this.#results.length;
    const name = this.#commands[index]?.[0].name;
    if (name !== undefined && !this.#known[index]) {
      this.#prepared.set(name, this.#columns ?? []);
    }
    const [tag = ''] = text.split(' ', 1);
    const error = this.#unreadable;
    this.#results.push(error ? { ok: false, error } : { ok: true, rows: this.#rows, tag });
    this.#rows = [];
    this.#columns = undefined;
    this.#unreadable = undefined;
  }

  /** The running command failed, or the connection. Later commands of the flush do not run either. */
  handleError(error: Error): void {
    const name = this.#commands[this.#results.length]?.[0].name;
    if (name !== undefined) this.#prepared.delete(name);
    while (this.#results.length < this.#commands.length) this.#results.push({ ok: false, error });
    this.#done(this.#results);
  }

  handleReadyForQuery(): void {
    this.#done(this.#results);
  }
}

/** Its SQLSTATE is that of bad data: the row is at fault, not the connection. */
class UnreadableRow extends Error {
  readonly code = '22000';
}

function rowOf(fields: readonly (string | null)[], columns: readonly Column[]): pg.QueryResultRow {
  const row: pg.QueryResultRow = {};
  columns.forEach(({ name, parse }, index) => {
    const text = fields[index] ?? null;
    row[name] = text === null ? null : parse(text);
  });
  return row;
}

/** A column, as pg reads it from PostgreSQL's description of rows. */
interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}

/** The methods of pg's connection that a flush calls; its published types ask for more. */
interface Connection {
  close(what: { type: 'S'; name: string }): void;
  parse(statement: { name: string; text: string }): void;
  bind(values: { statement: string; values: readonly (string | null)[] }): void;
  describe(what: { type: 'P' }): void;
  execute(): void;
  sync(): void;
}
