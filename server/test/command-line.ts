import picocolors from 'picocolors';
import { afterAll, beforeAll } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import type { Injectable } from '../src/cli/command/api.ts';
import type { Context } from '../src/cli/command/context.ts';
import { run } from '../src/cli/run.ts';
import { readConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';

/** The output of a command, and its exit code. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

const never = () => Promise.reject(new Error('this command needs no server and no database'));

/**
 * Runs `purser …` in this process, with an API and a database. Without them, it must not need them.
 */
export async function runCommand(
  args: readonly string[],
  api?: Injectable,
  withDatabase: Context['withDatabase'] = never,
): Promise<Ran> {
  const written = { out: '', errors: '' };
  const colors = picocolors.createColors(false);
  const code = await run(['node', 'purser', ...args], '0', {
    terminal: {
      colors,
      errorColors: colors,
      line: (text = '') => {
        written.out += `${text}\n`;
      },
      text: (text) => {
        written.out += text;
      },
      errorLine: (text = '') => {
        written.errors += `${text}\n`;
      },
      progress: () => undefined,
    },
    start: never,
    withApi: api ? (work) => work(api) : never,
    withDatabase,
    openApiDocument: never,
  });
  return { code, ...written };
}

/** The command line on a database, for the whole test file. Call it once, at the top level. */
export function useCommandLine(databaseUrl: string) {
  let app: App;
  let api: Injectable;
  beforeAll(async () => {
    app = await createApp(readConfig({ DATABASE_URL: databaseUrl }), {
      as: 'command',
      log: createLog('silent', { sync: true }),
      signal: new AbortController().signal,
    });
    api = await app.local();
  });
  afterAll(() => app.close());
  const purser = (...args: string[]): Promise<Ran> =>
    runCommand(args, api, (work) => work(app.opened));
  return {
    purser,
    /** The resource, or resources, of a command that must succeed, and write no error. */
    json: async (...args: string[]) => {
      const { code, out, errors } = await purser(...args, '--json');
      if (code !== 0 || errors !== '')
        throw new Error(`${args.join(' ')} ended with ${code}: ${out}${errors}`);
      return JSON.parse(out).data;
    },
  };
}

/** The three parts of an error. */
export function partsOf({ errors }: Ran): { what: string; details: string; solution: string } {
  const parts = /^Error: (.*)\nDetails: (.*)\nTo solve it: (.*)\n$/.exec(errors);
  if (!parts) throw new Error(`no error in three parts: ${errors}`);
  const [, what = '', details = '', solution = ''] = parts;
  return { what, details, solution };
}
