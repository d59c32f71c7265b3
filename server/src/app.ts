import type { FastifyInstance } from 'fastify';
import { authenticateLocally } from './auth/authentication.ts';
import { KeyReads } from './auth/key-reads.ts';
import { KeyUses } from './auth/key-uses.ts';
import { type Config, readSecret } from './config.ts';
import type { Database } from './db/connection/database.ts';
import { type OpenDatabase, openDatabase } from './db/open.ts';
import { Gateway } from './gateway/gateway.ts';
import { readPriceBookFile, startWithFile } from './gateway/routes/price-books.ts';
import type { HttpParts } from './http/door/parts.ts';
import { buildHttp } from './http/server.ts';
import { Ledger } from './ledger/ledger.ts';
import { Sweeper } from './ledger/sweeper.ts';
import type { Log } from './log.ts';
import { type Part, startParts, stopParts } from './parts.ts';
import { Metrics } from './telemetry/metrics.ts';

/** Purser over one database. */
export interface App {
  readonly opened: OpenDatabase;
  /** Starts the parts of a server. Answers the API for the network, which needs keys. Call it once. */
  network(): Promise<FastifyInstance>;
  /** The API for the operator on this machine, who needs no key. It must never listen. */
  local(): Promise<FastifyInstance>;
  /** Stops all parts in reverse order: nothing that was accepted is lost. */
  close(): Promise<void>;
}

interface AppOptions {
  readonly as: 'server' | 'command';
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Opens the database and puts the objects together. Rejects with OperatorError, or with any error if
 * `signal` aborts the opening; then PostgreSQL has been left again.
 */
export async function createApp(config: Config, { as, log, signal }: AppOptions): Promise<App> {
  const opened = await open(config, { as, log, signal });
  const { database } = opened;
  const metrics = new Metrics();
  const keys = new KeyReads(database, { observer: metrics });
  const keyUses = new KeyUses(database, log);
  const ledger = new Ledger(database, { log, observer: metrics });
  const sweeper = new Sweeper(database, ledger, log);
  const { gatewayFile, drainMs, metricsToken, trustedProxies, corsOrigins, rateLimits } = config;
  const gateway =
    as === 'server' && gatewayFile !== undefined
      ? new Gateway({ database, ledger, log, observer: metrics, secretOf: readSecret, drainMs })
      : undefined;
  const apis: FastifyInstance[] = [];

  const parts: readonly Part[] = [
    { name: 'PostgreSQL', stop: () => opened.close() },
    { name: 'reads of keys', stop: () => keys.stop() },
    { name: 'last uses of keys', stop: () => keyUses.close() },
    { name: 'ledger', stop: () => ledger.stop() },
    { name: 'sweeper', start: () => sweeper.start(), stop: () => sweeper.stop() },
    { name: 'price book', start: () => loadPriceBook(database, gatewayFile, log) },
    { name: 'gateway', start: () => gateway?.start(), stop: () => gateway?.stop() },
    { name: 'HTTP', stop: () => closeAll(apis) },
    { name: 'drain of the calls in progress', stop: () => gateway?.beginStop() },
  ];

  const http: HttpParts = {
    database,
    ledger,
    keys,
    onKeyUsed: keyUses.used,
    metrics,
    log,
    metricsToken,
    trustedProxies,
    corsOrigins,
    rateLimits,
    readiness: async () => ({ ...(await opened.isReady()), clock: ledger.clock.isReliable }),
  };
  const api = async (more: Partial<HttpParts>): Promise<FastifyInstance> => {
    const built = await buildHttp({ ...http, ...more });
    apis.push(built);
    return built;
  };
  return {
    opened,
    network: async () => {
      await startParts(parts, signal);
      return api({ gateway });
    },
    local: () => api({ local: true, authenticate: authenticateLocally }),
    close: () => stopParts(parts),
  };
}

/** Opens PostgreSQL, and warns of each URL that leads to another machine without encryption. */
function open(config: Config, { as, log, signal }: AppOptions): Promise<OpenDatabase> {
  const { databaseUrl, migrationUrl, dataDir } = config;
  for (const variable of config.plainText) {
    log.warn(
      `${variable} leads to another machine without encryption: add sslmode=verify-full to it (and sslrootcert=FILE for a CA of your own), or sslmode=disable if the network is yours alone`,
    );
  }
  const plainLog = {
    info: (text: string) => log.info(text),
    warn: (text: string) => log.warn(text),
  };
  return openDatabase({ databaseUrl, migrationUrl, dataDir, as, log: plainLog, signal });
}

/** Puts a new price-book file into effect. Warns if a newer version has replaced the file's. */
async function loadPriceBook(
  database: Database,
  file: string | undefined,
  log: Log,
): Promise<void> {
  if (file === undefined) return;
  const text = await readPriceBookFile(file);
  const { inEffect, ofFile } = await startWithFile(database, { file, text, secretOf: readSecret });
  if (inEffect.version === ofFile.version) return;
  log.warn(
    { file, version: ofFile.version, in_effect: inEffect.version },
    'the price book of PURSER_GATEWAY was replaced since: the newer version stays in effect',
  );
}

async function closeAll(apis: readonly FastifyInstance[]): Promise<void> {
  for (const api of apis) await api.close();
}
