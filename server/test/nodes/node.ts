import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { Server } from '../server.ts';

const PURSER = fileURLToPath(new URL('../../bin/purser.js', import.meta.url));

/** A server process, as an operator starts it. */
export interface Node extends Server {
  readonly process: ChildProcess;
  signal(signal: NodeJS.Signals): void;
  /** Sends the signal and waits for the process to exit. Resolves with its exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

const running = new Set<ChildProcess>();

/** Runs `purser start` on a free port. Resolves when it listens. */
export async function startNode(environment: Record<string, string>): Promise<Node> {
  const child = spawn(process.execPath, [PURSER, 'start'], {
    env: { PATH: '/usr/bin:/bin', PURSER_PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  const listening = new Promise<string>((resolve, reject) => {
    const hear = (data: Buffer) => {
      output += data;
      const url = /listening on (http:\/\/\S+)/.exec(output)?.[1];
      if (url) resolve(url);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${output}`)));
  });
  child.once('exit', () => running.delete(child));
  return {
    url: await listening,
    process: child,
    output: () => output,
    signal: (signal) => child.kill(signal),
    end: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      }
      return child.exitCode;
    },
  };
}

/**
 * Ends the processes that a failed test left running. Call it once, at the top level of a test
 * file.
 */
export function useNodes(): void {
  afterAll(() => {
    for (const child of running) child.kill('SIGKILL');
  });
}
