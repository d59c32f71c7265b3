import { type ChildProcess, fork, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Load, LoadResult } from './load.ts';

/** The processes of a run; all of them end with it. */

const children = new Set<ChildProcess>();

export interface Server {
  readonly port: number;
  readonly pid: number;
}

/** Starts a Node program that prints `listening on http://…:port`. */
export function startServer(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      env: { PATH: '/usr/bin:/bin', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    let output = '';
    const hear = (data: Buffer) => {
      output += data;
      const port = /listening on http:\/\/[^:]+:(\d+)/.exec(output)?.[1];
      if (port && child.pid) resolve({ port: Number(port), pid: child.pid });
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', () => {
      children.delete(child);
      reject(new Error(`a server ended: ${output}`));
    });
  });
}

/** A program of this folder, with its arguments. */
export function programOf(name: string, ...args: string[]): string[] {
  return ['--import', 'tsx', fileURLToPath(new URL(name, import.meta.url)), ...args];
}

/** Runs a load in a process of its own. Rejects with the first answer that is not a success. */
export function runLoad(load: Load): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('load.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
    });
    children.add(child);
    child.once('message', ({ result, error }: { result?: LoadResult; error?: string }) => {
      if (result) resolve(result);
      else reject(new Error(`an answer was no success:\n${error}`));
    });
    child.once('exit', () => {
      children.delete(child);
      reject(new Error('the load ended without a result'));
    });
    child.send(load);
  });
}

/** Ends whatever still runs, and waits for it. */
export async function endProcesses(): Promise<void> {
  await Promise.all(
    [...children].map(
      (child) =>
        new Promise((resolve) => {
          child.once('exit', resolve);
          child.kill('SIGTERM');
        }),
    ),
  );
}
