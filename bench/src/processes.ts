import { type ChildProcess, fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Load, LoadMessage, LoadResult } from './load.ts';

/** The child processes of a run: servers and the load. */

/** After SIGTERM, a process has this long before SIGKILL. */
const STOP_TIMEOUT_MS = 10_000;

const children = new Set<ChildProcess>();

function keep(child: ChildProcess): ChildProcess {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

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
    keep(child);
    let output = '';
    const hear = (data: Buffer) => {
      output = (output + data).slice(-10_000);
      const port = /listening on http:\/\/[^:]+:(\d+)/.exec(output)?.[1];
      if (port && child.pid) resolve({ port: Number(port), pid: child.pid });
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`a server ended: ${output}`)));
  });
}

/** Node's arguments for a program of this folder. */
export function programOf(name: string, ...args: string[]): string[] {
  return ['--import', 'tsx', fileURLToPath(new URL(name, import.meta.url)), ...args];
}

/** The one process that runs the loads of all sides. */
export class LoadProcess {
  readonly #child: ChildProcess;

  constructor() {
    const [, , program = ''] = programOf('load.ts');
    this.#child = keep(fork(program, { execArgv: ['--import', 'tsx'] }));
  }

  /** Runs a load, one at a time. Rejects with the first answer that is not a success. */
  run(load: Load): Promise<LoadResult> {
    return new Promise((resolve, reject) => {
      const child = this.#child;
      const onExit = () => reject(new Error('the load ended without a result'));
      child.once('message', (message: LoadMessage) => {
        child.off('exit', onExit);
        if ('result' in message) resolve(message.result);
        else reject(new Error(`an answer was no success:\n${message.error}`));
      });
      child.once('exit', onExit);
      if (child.exitCode === null && child.signalCode === null) child.send(load);
      else onExit();
    });
  }
}

/** The resident memory of a process, in MB. */
export function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1_024);
}

/** Ends all processes that still run, and waits for them. */
export async function endProcesses(): Promise<void> {
  await Promise.all([...children].map(endProcess));
}

function endProcess(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
