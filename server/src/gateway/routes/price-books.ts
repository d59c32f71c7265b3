import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Database } from '../../db/connection/database.ts';
import { OperatorError } from '../../operator-error.ts';
import type { PriceBook } from '../../pricing/book/price-book.ts';
import { formatProblems, parsePriceBook } from '../../pricing/parse.ts';
import { expectSecrets, type SecretOf } from '../upstream/upstreams.ts';
import * as sql from './sql.ts';

/**
 * The versions of the price book. The database keeps the text of each version for ever; the newest
 * version is in effect on every node.
 */

/** The interval at which a node polls for a new version. */
const LOOK_EVERY_MS = 1_000;

/** One version of the price book. */
export interface PriceVersion {
  readonly version: number;
  /** Its beginning, in milliseconds since 1970. */
  readonly effectiveAt: number;
  /** The YAML text that was loaded. */
  readonly text: string;
}

/** The text of a price book's file. Throws OperatorError if it cannot be read. */
export async function readPriceBookFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new OperatorError(
      `The price book ${file} cannot be read.`,
      (error as Error).message,
      'Name a file that this user may read, in PURSER_GATEWAY or on the command line.',
      { cause: error },
    );
  }
}

/**
 * Puts a text into effect as a new version, unless it is in effect already. Throws OperatorError if the
 * text is not a valid price book.
 */
export function loadPriceBook(
  database: Database,
  file: string,
  text: string,
): Promise<PriceVersion & { readonly isNew: boolean }> {
  expectPriceBook(file, text);
  return append(database, text);
}

function append(
  database: Database,
  text: string,
): Promise<PriceVersion & { readonly isNew: boolean }> {
  return database.transaction(async (tx) => {
    await tx.rows(sql.lockPriceBooks);
    const [current] = await tx.rows<sql.PriceBookRow>(sql.readPriceBookAfter, [0]);
    if (current?.text === text) return { ...versionOf(current), isNew: false };
    const [made] = await tx.rows<sql.PriceBookRow>(sql.appendPriceBook, [text, sha256(text)]);
    if (!made) throw new Error('a price book was not appended');
    return { ...versionOf(made), isNew: true };
  });
}

/**
 * Loads a server's price-book file at its start. A text that was never in effect becomes the newest
 * version. An older text changes nothing: a restart must not bring a replaced version back. Throws
 * OperatorError, and changes nothing, if the text or a secret that it needs is not usable.
 */
export async function startWithFile(
  database: Database,
  { file, text, secretOf }: { file: string; text: string; secretOf: SecretOf },
): Promise<{ readonly inEffect: PriceVersion; readonly ofFile: PriceVersion }> {
  const { upstreams } = expectPriceBook(file, text);
  const [known] = await database.rows<sql.PriceBookRow>(sql.findPriceBookText, [sha256(text)]);
  if (!known) expectSecrets(upstreams, secretOf);
  const ofFile = known ? versionOf(known) : await append(database, text);
  return { inEffect: (await readPriceVersion(database)) ?? ofFile, ofFile };
}

/** A version, by default the one in effect. Undefined: there is none. */
export async function readPriceVersion(
  database: Database,
  version?: number,
): Promise<PriceVersion | undefined> {
  const [row] =
    version === undefined
      ? await database.rows<sql.PriceBookRow>(sql.readPriceBookAfter, [0])
      : await database.rows<sql.PriceBookRow>(sql.findPriceBook, [version]);
  return row && versionOf(row);
}

/** Polls for versions: reports the one in effect, and each that follows it. */
export class PriceBookWatch {
  readonly #database: Database;
  readonly #log: { warn(details: object, message: string): void };
  readonly #onVersion: (version: PriceVersion, book: PriceBook) => void;
  readonly #timer: NodeJS.Timeout;
  #seen = 0;
  #isLooking = false;
  #failing = false;

  /** If `onVersion` throws, the version is reported again at the next poll. */
  constructor(
    database: Database,
    log: { warn(details: object, message: string): void },
    onVersion: (version: PriceVersion, book: PriceBook) => void,
  ) {
    this.#database = database;
    this.#log = log;
    this.#onVersion = onVersion;
    this.#timer = setInterval(() => void this.#lookAgain(), LOOK_EVERY_MS).unref();
  }

  /** Polls once. Rejects if the version in effect cannot be read or used. */
  async look(): Promise<void> {
    const [row] = await this.#database.rows<sql.PriceBookRow>(sql.readPriceBookAfter, [this.#seen]);
    if (!row || row.version <= this.#seen) return;
    this.#onVersion(versionOf(row), expectPriceBook(`version ${row.version}`, row.text));
    this.#seen = row.version;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #lookAgain(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.look();
      this.#failing = false;
    } catch (error) {
      const about = 'a new price book cannot be read or used: the one before stays in effect here';
      if (!this.#failing) this.#log.warn({ err: error }, about);
      this.#failing = true;
    } finally {
      this.#isLooking = false;
    }
  }
}

/** Parses a price book. Throws OperatorError with all problems of the text. */
export function expectPriceBook(file: string, text: string): PriceBook {
  const parsed = parsePriceBook(text);
  if ('book' in parsed) return parsed.book;
  throw new OperatorError(
    `The price book ${file} cannot be used.`,
    formatProblems(file, parsed.problems),
    'Mend it, and look at it with `purser prices check FILE`.',
  );
}

function versionOf({ version, text, effective_at }: sql.PriceBookRow): PriceVersion {
  return { version, text, effectiveAt: effective_at };
}

function sha256(text: string): string {
  return `\\x${hash('sha256', text)}`;
}
