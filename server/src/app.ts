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
import { Metrics } from './telemetry/metrics.ts';

/** Purser, put together over one database. */
export interface App {
  readonly opened: OpenDatabase;
  /** The API as it is served on the network: everybody needs a key. Ask for it once. */
  network(): Promise<FastifyInstance>;
  /** The API for the operator on this machine, who needs no key. It must never listen. */
  local(): Promise<FastifyInstance>;
  /**
   * Stops in the order that loses nothing: no new request, answers to those that were accepted, what
   * is written behind, the connections, and PostgreSQL where nobody else uses it.
   */
  close(): Promise<void>;
}

/**
 * Opens the database and puts the objects together. Throws: OperatorError, or, where `signal` breaks
 * it off, anything; what had been started is stopped then.
 */
export async function createApp(
  config: Config,
  options: {
    readonly as: 'server' | 'command';
    readonly log: Log;
    readonly signal: AbortSignal;
  },
): Promise<App> {
  const { log, as, signal } = options;
  const { databaseUrl, migrationUrl, dataDir } = config;
  const plainLog = {
    info: (text: string) => log.info(text),
    warn: (text: string) => log.warn(text),
  };
  for (const variable of config.plainText) {
    plainLog.warn(
      `${variable} leads to another machine without encryption: add sslmode=verify-full to it (and sslrootcert=FILE for a CA of your own), or sslmode=disable if the network is yours alone`,
    );
  }
  const places = { databaseUrl, migrationUrl, dataDir };
  const opened = await openDatabase({ ...places, as, log: plainLog, signal });
  const { database } = opened;
  const metrics = new Metrics();
  const ledger = new Ledger(database, { log, observer: metrics });
  const keys = new KeyReads(database, { observer: metrics });
  const sweeper = new Sweeper(database, ledger, log);
  const keyUses = new KeyUses(database, log);
  const { gatewayFile, drainMs } = config;
  const gateway =
    as === 'command' || gatewayFile === undefined
      ? undefined
      : new Gateway({ database, ledger, log, observer: metrics, secretOf: readSecret, drainMs });
  const parts: HttpParts = {
    database,
    ledger,
    keys,
    onKeyUsed: keyUses.used,
    metrics,
    log,
    metricsToken: config.metricsToken,
    trustedProxies: config.trustedProxies,
    corsOrigins: config.corsOrigins,
    rateLimits: config.rateLimits,
    readiness: async () => ({ ...(await opened.isReady()), clock: ledger.clock.isReliable }),
  };
  const apis: FastifyInstance[] = [];
  const keep = (api: FastifyInstance): FastifyInstance => {
    apis.push(api);
    return api;
  };
  return {
    opened,
    network: async () => {
      if (gateway && gatewayFile !== undefined) {
        await takeUpPriceBook(database, gatewayFile, log);
        await gateway.start();
      }
      sweeper.start();
      return keep(await buildHttp({ ...parts, gateway }));
    },
    local: async () =>
      keep(await buildHttp({ ...parts, local: true, authenticate: authenticateLocally })),
    close: async () => {
      gateway?.beginStop();
      for (const api of apis) await api.close();
      await gateway?.stop();
      await sweeper.stop();
      await ledger.stop();
      await keyUses.close();
      keys.stop();
      await opened.close();
    },
  };
}

/** Puts the price book's file into effect where it is new, and says so where it is not. */
async function takeUpPriceBook(database: Database, file: string, log: Log): Promise<void> {
  const { inEffect, ofFile } = await startWithFile(database, file, await readPriceBookFile(file));
  if (inEffect.version === ofFile.version) return;
  log.warn(
    { file, version: ofFile.version, in_effect: inEffect.version },
    'the price book of PURSER_GATEWAY was replaced since: the newer version stays in effect',
  );
}
