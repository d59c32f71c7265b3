import type { OpenDatabase } from '../../db/open.ts';
import type { Injectable } from './api.ts';
import type { Terminal } from './terminal.ts';

/**
 * What the commands work with. `main.ts` makes it from parts that lie above the command line, and
 * loads them only when a command asks, so that `--help` answers at once.
 */
export interface Context {
  readonly terminal: Terminal;
  /** Runs the server until it is told to stop. */
  start(): Promise<void>;
  /** Opens the API over the configured database for as long as `work` runs. */
  withApi<T>(work: (api: Injectable) => Promise<T>): Promise<T>;
  /** Opens and migrates the configured database for as long as `work` runs. */
  withDatabase<T>(work: (opened: OpenDatabase) => Promise<T>): Promise<T>;
  /** The OpenAPI document as `/openapi.json` answers it; needs no database. */
  openApiDocument(): Promise<string>;
  /** Lets the command end with this exit code, 1 if it is left out, although nothing was thrown. */
  fail(exitCode?: number): void;
}
