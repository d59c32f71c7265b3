import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbedded } from '../../server/src/db/embedded/embedded.ts';
import { compareAll } from './comparisons.ts';
import { type GatewaySides, startGateway } from './gateway.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { endProcesses, LoadProcess, programOf, startServer } from './processes.ts';
import { jsonOf, type Report, tableOf } from './report.ts';
import { growLedger, seedPurser, seedTextbook } from './seed.ts';
import { Measurement } from './sides.ts';

const PURSER = fileURLToPath(new URL('../../server/bin/purser.js', import.meta.url));
const ACCOUNTS = 10_000;
const CUSTOMER_KEYS = 256;
const TEXTBOOK = 'textbook';
const GROWN = 'grown';
const GROWN_ENTRIES = 5_000_000;

const say = (line: string) => process.stderr.write(`${line}\n`);

/** Starts and seeds the servers on a running PostgreSQL, and measures them. */
async function report(
  postgres: EmbeddedPostgres,
  folder: string,
  options: Options,
): Promise<Report> {
  const { host, port, user, database } = postgres.connection();
  const config = { host, port, user, database };
  const textbookConfig = await createDatabase(config, TEXTBOOK);

  say(`seeding ${ACCOUNTS} accounts …`);
  const seeds = await seedPurser(config, { accounts: ACCOUNTS, customerKeys: CUSTOMER_KEYS });
  await seedTextbook(textbookConfig, seeds);

  const urlOf = (name: string) =>
    `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
  const startOn = (name: string, env: Readonly<Record<string, string>> = {}) =>
    startServer([PURSER, 'start'], {
      DATABASE_URL: urlOf(name),
      PURSER_PORT: '0',
      // All reads of a comparison may use one key.
      PURSER_RATE_LIMIT_BALANCE: 'off',
      ...env,
    });
  const startOurs = () => startOn(database);
  const startGrown = async () => {
    const grown = await createDatabase(config, GROWN);
    say(`seeding ${GROWN_ENTRIES} entries …`);
    const grownSeeds = await seedPurser(grown, { accounts: ACCOUNTS, customerKeys: 0 });
    await growLedger(grown, GROWN_ENTRIES);
    return { server: await startOn(GROWN), seeds: grownSeeds };
  };
  let gateway: Promise<GatewaySides> | undefined;
  const startGatewayOnce = () => {
    gateway ??= startGateway(folder, (file) => startOn(database, { PURSER_GATEWAY: file }));
    return gateway;
  };
  const bench = {
    ours: await startOurs(),
    constant: await startServer(programOf('constant.ts')),
    textbook: await startServer(programOf('textbook.ts', urlOf(TEXTBOOK))),
    seeds,
    measurement: new Measurement(new LoadProcess(), options.seconds, say),
    startSecond: startOurs,
    startGrown,
    gateway: startGatewayOnce,
    memorySeconds: options.memorySeconds,
    say,
  };
  return compareAll(bench, options.only, say);
}

/** Creates a database on the same PostgreSQL and returns its connection settings. */
async function createDatabase(config: pg.ClientConfig, name: string): Promise<pg.ClientConfig> {
  const admin = new pg.Client(config);
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  return { ...config, database: name };
}

async function main(options: Options): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'purser-bench-'));
  let postgres: EmbeddedPostgres | undefined;
  let interrupted = false;
  const end = async () => {
    await endProcesses();
    await postgres?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  const interrupt = () => {
    if (interrupted) return;
    interrupted = true;
    say('ending …');
    void end().finally(() => process.exit(130));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    const log = { info: () => {}, warn: say };
    postgres = await startEmbedded({ dataDir, as: 'command', log });
    const found = await report(postgres, dataDir, options);
    process.stdout.write(`${options.json ? jsonOf(found) : tableOf(found)}\n`);
  } catch (error) {
    if (!interrupted) say(`Error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  } finally {
    if (!interrupted) await end();
  }
}

try {
  const options = readOptions();
  if (options.help) process.stdout.write(HELP);
  else await main(options);
} catch (error) {
  say(`Error: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
