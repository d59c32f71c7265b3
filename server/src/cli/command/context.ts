import type { OpenDatabase } from '../../db/open.ts';
import type { Injectable } from './api.ts';
import type { Terminal } from './terminal.ts';

/**
 * The services for commands. `main.ts` makes them from parts above the command line, and imports these
 * when a command needs them, so that `--help` is fast.
 */
export interface Context {
  readonly terminal: Terminal;
  /** Runs the server until a signal stops it. */
  start(): Promise<void>;
  /** Opens the API over the configured database while `work` runs. */
  withApi<T>(work: (api: Injectable) => Promise<T>): Promise<T>;
  /** Opens and migrates the configured database while `work` runs. */
  withDatabase<T>(work: (opened: OpenDatabase) => Promise<T>): Promise<T>;
  /** The text of `/openapi.json`; needs no database. */
  openApiDocument(): Promise<string>;
  /** Sets the exit code of a command that throws nothing; default 1. */
  fail(exitCode?: number): void;
}
