import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbedded } from '../../server/src/db/embedded.ts';
import { compareAll } from './comparisons.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { endProcesses, LoadProcess, programOf, startServer } from './processes.ts';
import { jsonOf, type Report, tableOf } from './report.ts';
import { seedPurser, seedTextbook } from './seed.ts';
import { Measurement } from './sides.ts';

const PURSER = fileURLToPath(new URL('../../server/bin/purser.js', import.meta.url));
const ACCOUNTS = 10_000;
const CUSTOMER_KEYS = 256;
const TEXTBOOK = 'textbook';

const say = (line: string) => process.stderr.write(`${line}\n`);

/** Measures on a PostgreSQL that runs. */
async function report(postgres: EmbeddedPostgres, options: Options): Promise<Report> {
  const { host, port, user, database } = postgres.connection();
  const config = { host, port, user, database };
  const textbookConfig = { ...config, database: TEXTBOOK };
  const admin = new pg.Client(config);
  await admin.connect();
  await admin.query(`create database ${TEXTBOOK}`);
  await admin.end();

  say(`seeding ${ACCOUNTS} accounts …`);
  const seeds = await seedPurser(config, { accounts: ACCOUNTS, customerKeys: CUSTOMER_KEYS });
  await seedTextbook(textbookConfig, seeds);

  const urlOf = (name: string) =>
    `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
  const startOurs = () =>
    startServer([PURSER, 'start'], { DATABASE_URL: urlOf(database), PURSER_PORT: '0' });
  const bench = {
    ours: await startOurs(),
    constant: await startServer(programOf('constant.ts')),
    textbook: await startServer(programOf('textbook.ts', urlOf(TEXTBOOK))),
    seeds,
    measurement: new Measurement(new LoadProcess(), options.seconds, say),
    startSecond: startOurs,
  };
  return compareAll(bench, options.only, say);
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
    const found = await report(postgres, options);
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
