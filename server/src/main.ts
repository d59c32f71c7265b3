import { readFileSync } from 'node:fs';
import type { Context } from './cli/command/context.ts';
import { showFailure } from './cli/command/failure.ts';
import { openTerminal } from './cli/command/terminal.ts';
import { run } from './cli/run.ts';
import { readConfig } from './config.ts';

/** The `purser` command. Each command loads only the modules that it needs: `--help` answers at once. */

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

const terminal = openTerminal();

const context: Omit<Context, 'fail'> = {
  terminal,
  start: async () => (await import('./start.ts')).start(readConfig(), terminal),
  withApi: (work) => withApp(async (app) => work(await app.local())),
  withDatabase: (work) => withApp((app) => work(app.opened)),
  openApiDocument: async () => (await import('./http/server.ts')).describeApi(),
};

/** Opens Purser while a command works, and closes it even if a signal interrupts the command. */
async function withApp<T>(work: (app: import('./app.ts').App) => Promise<T>): Promise<T> {
  const config = readConfig();
  const { createApp } = await import('./app.ts');
  const { createLog } = await import('./log.ts');
  const log = createLog(config.logLevel ?? 'warn', { sync: true });
  const interrupted = new AbortController();
  const opening = createApp(config, { as: 'command', log, signal: interrupted.signal });
  let closing: Promise<void> | undefined;
  const close = () => {
    // An opening that fails has closed everything itself.
    closing ??= opening.then(
      (app) => app.close(),
      () => {},
    );
    return closing;
  };
  const interrupt = () => {
    interrupted.abort();
    close().then(
      () => process.exit(130),
      () => process.exit(1),
    );
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await work(await opening);
  } finally {
    await close();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

run(process.argv, version, context).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    process.exitCode = showFailure(terminal, error);
  },
);
