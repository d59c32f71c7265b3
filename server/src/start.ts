import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import { type App, createApp } from './app.ts';
import type { Terminal } from './cli/command/terminal.ts';
import { hasOperatorKey, makeDemo, showDemo } from './cli/demo.ts';
import type { Config } from './config.ts';
import { createLog, type Log } from './log.ts';
import { LogPace } from './log-pace.ts';
import { OperatorError } from './operator-error.ts';

/** The longest stop after the drain. It gives up calls that are not settled by then: exit code 1. */
const LONGEST_STOP_MS = 10_000;

/**
 * V8's pretenuring misjudges objects of the first calls as long-lived, and allocates them in old space.
 * There a dead object keeps a whole call of the gateway alive until the next full collection (adr/0012).
 */
const WITHOUT_PRETENURING = '--no-allocation-site-pretenuring';

/**
 * Runs the server until SIGINT or SIGTERM, then answers the accepted requests and stops PostgreSQL. A
 * signal during the start stops the parts that run by then. A second signal exits at once. Rejects with
 * OperatorError if the server cannot start.
 */
export async function start(config: Config, terminal: Terminal): Promise<void> {
  setFlagsFromString(WITHOUT_PRETENURING);
  const log = createLog(config.logLevel ?? 'info', { sync: false });
  for (const name of config.unknown)
    log.warn({ name }, 'an unknown environment variable is ignored');
  const stopping = new AbortController();
  const serving = serve(config, terminal, log, stopping.signal);
  const grace = closeWithGrace(
    { delay: config.drainMs + LONGEST_STOP_MS, logger: log },
    async (cause) => {
      const { signal, err } = cause;
      if (err) log.fatal({ err }, 'an unexpected error: the server stops');
      else log.info({ signal }, 'the server stops');
      stopping.abort();
      // A start that fails has stopped its own parts.
      const app = await serving.catch(() => undefined);
      await app?.close();
      log.info('the server has stopped');
      log.flush();
    },
  );
  try {
    await serving;
  } catch (error) {
    // The abort made the start fail: the operator asked for it.
    if (stopping.signal.aborted) return;
    grace.uninstall();
    throw error;
  }
}

/** Resolves once the server listens. Rejects, with all parts stopped, if it cannot start or `signal` aborts. */
export async function serve(
  config: Config,
  terminal: Terminal,
  log: Log,
  signal: AbortSignal,
): Promise<App> {
  const app = await createApp(config, { as: 'server', log, signal });
  try {
    const url = await listen(await app.network(), config, log);
    await introduce(app, config, terminal, url);
    signal.throwIfAborted();
    terminal.line(`listening on ${url}`);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** Shows the demo on an empty embedded database. Elsewhere tells how to make the first key. */
async function introduce(app: App, config: Config, terminal: Terminal, url: string): Promise<void> {
  const local = await app.local();
  const keys = config.databaseUrl === undefined && config.demo ? await makeDemo(local) : undefined;
  if (keys) return showDemo(terminal, keys, url);
  if (await hasOperatorKey(local)) return;
  terminal.line('No operator key is valid: make one with `npx purser operator-key create`.');
}

async function listen(http: FastifyInstance, config: Config, log: Log): Promise<string> {
  const { host, port, maxConnections } = config;
  // Node closes each further connection at once: a flood takes no memory and no file descriptors.
  http.server.maxConnections = maxConnections;
  const pace = new LogPace();
  http.server.on('drop', () => {
    if (pace.isDue('drop'))
      log.warn({ maxConnections }, 'too many connections: new ones are closed');
  });
  try {
    await http.listen({ host, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new OperatorError(
      `Purser cannot listen on ${host}, port ${port}.`,
      code === 'EADDRINUSE' ? 'Another process listens there.' : message,
      'Set PURSER_PORT to a free port (0 for any) and PURSER_HOST to an address of this machine.',
      { cause: error },
    );
  }
  const { port: bound } = http.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
}
