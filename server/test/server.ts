import picocolors from 'picocolors';
import { afterAll } from 'vitest';
import { readConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { serve } from '../src/start.ts';

/** A server, as a test asks and ends it. */
export interface Server {
  readonly url: string;
  /** Its standard output and its log until now. */
  output(): string;
  /** Drains and stops it; resolves with its exit code. A second call does nothing. */
  end(): Promise<number | null>;
}

const running = new Set<Server>();
const silent = () => {};

/**
 * Starts a server in this process, on a port of its own, with these variables as its environment. The
 * variables that a price book names are read from `process.env`, so they are set there.
 */
export async function startServer(environment: Record<string, string>): Promise<Server> {
  for (const [name, value] of Object.entries(environment)) {
    if (!/^(PURSER_|DATABASE_URL$)/.test(name)) process.env[name] = value;
  }
  const config = readConfig({ PURSER_PORT: '0', ...environment });
  let output = '';
  const write = (text: string) => {
    output += text;
  };
  const line = (text = '') => write(`${text}\n`);
  const colors = picocolors.createColors(false);
  const log = createLog(config.logLevel ?? 'info', { sync: true, to: { write } });
  const app = await serve(
    config,
    { colors, errorColors: colors, line, text: write, errorLine: line, progress: silent },
    log,
    new AbortController().signal,
  );
  let ending: Promise<number> | undefined;
  const server: Server = {
    url: /listening on (http:\/\/\S+)/.exec(output)?.[1] ?? '',
    output: () => output,
    end: () => {
      running.delete(server);
      log.info('the server stops');
      ending ??= app.close().then(() => 0);
      return ending;
    },
  };
  running.add(server);
  return server;
}

/** Ends the servers that a failed test left running. Call it once, at the top level of a test file. */
export function useServers(): void {
  afterAll(async () => {
    for (const server of running) await server.end();
  });
}
