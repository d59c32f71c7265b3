import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startEmbedded } from '../../server/src/db/embedded.ts';
import type { Load } from './load.ts';
import { endProcesses, programOf, runLoad, type Server, startServer } from './processes.ts';
import { compare, type Report, tableOf } from './report.ts';
import { chargedTo, type Seeds, seedPurser, seedTextbook } from './seed.ts';

const HELP = `npm run bench -- [--json] [--seconds N] [--only a,b]

Measures Purser and a baseline side by side, in slices that alternate, and prints the ratios.
  balance_reads      the balance endpoint, against a bare route with a constant answer
  charges_hot        charges of one account, against a textbook transaction a charge
  charges_spread     charges over 10,000 accounts, against the same
  charges_two_nodes  the same on two servers at once
Options:
  --json       print one JSON object
  --seconds N  how long each side is measured (default 8)
  --only a,b   only these
`;

const PURSER = fileURLToPath(new URL('../../server/bin/purser.js', import.meta.url));
const CONNECTIONS = 64;
const ACCOUNTS = 10_000;
const CUSTOMER_KEYS = 256;
const WARM_UP_S = 2;
/** Slices that alternate between the two sides, so that noise of the machine hits both alike. */
const SLICES = 4;
/** A hundredth of a cent. */
const PRICE = '0.01';
const PRICE_MICROCENTS = 10_000n;

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '8' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const say = (text: string) => process.stderr.write(`${text}\n`);

/** One side of a comparison: where the load goes, and what it is. */
interface Side {
  readonly ports: readonly number[];
  readonly requests: Load['requests'];
  readonly charges: boolean;
}

let runs = 0;
async function measure(side: Side, seconds: number): Promise<{ requests: number; rate: number }> {
  runs += 1;
  const result = await runLoad({
    ports: side.ports,
    requests: side.requests,
    connections: CONNECTIONS,
    seconds,
    ...(side.charges && { idempotencyPrefix: `run${runs}-` }),
  });
  return { requests: result.requests, rate: result.requests / result.seconds };
}

/** Measures two sides in alternating slices; answers each one's rate and requests in all. */
async function alternate(ours: Side, baseline: Side, seconds: number) {
  const warm = [await measure(ours, WARM_UP_S), await measure(baseline, WARM_UP_S)];
  const totals = [0, 0];
  let requests = warm[0]?.requests ?? 0;
  for (let slice = 0; slice < SLICES; slice += 1) {
    const [a, b] = [
      await measure(ours, seconds / SLICES),
      await measure(baseline, seconds / SLICES),
    ];
    totals[0] = (totals[0] ?? 0) + a.rate / SLICES;
    totals[1] = (totals[1] ?? 0) + b.rate / SLICES;
    requests += a.requests;
  }
  return { ours: totals[0] ?? 0, baseline: totals[1] ?? 1, requests };
}

function balanceRequests(keys: readonly string[]): Load['requests'] {
  return keys.map((key) => ({
    head: `GET /v1/billing/account_balance HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}\r\n`,
    body: '',
  }));
}

function chargeRequests(key: string, accounts: readonly string[]): Load['requests'] {
  return accounts.map((account) => {
    const body = JSON.stringify({ account, amount: PRICE });
    return {
      head: `POST /v1/charges HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`,
      body,
    };
  });
}

async function compareAll(
  servers: { ours: Server; second: Server; constant: Server; textbook: Server },
  seeds: Seeds,
  config: pg.ClientConfig,
): Promise<Report> {
  const seconds = Number(options.seconds);
  const only = options.only?.split(',');
  const wanted = (name: string) => only === undefined || only.includes(name);
  const report: Report = {};
  const { ours, second, constant, textbook } = servers;

  if (wanted('balance_reads')) {
    say('balance_reads …');
    const requests = balanceRequests(seeds.customerKeys);
    const side = { requests, charges: false };
    const found = await alternate(
      { ports: [ours.port], ...side },
      { ports: [constant.port], ...side },
      seconds,
    );
    report['balance_reads'] = compare(found.ours, found.baseline);
  }
  const [hot = '', ...spread] = seeds.accounts;
  if (wanted('charges_hot')) {
    say('charges_hot …');
    const side = { requests: chargeRequests(seeds.operatorKey, [hot]), charges: true };
    const found = await alternate(
      { ports: [ours.port], ...side },
      { ports: [textbook.port], ...side },
      seconds,
    );
    report['charges_hot'] = compare(found.ours, found.baseline);
    const charged = await chargedTo(config, hot);
    if (charged !== BigInt(found.requests) * PRICE_MICROCENTS) {
      throw new Error(
        `${found.requests} charges were answered, ${charged} microcents were charged`,
      );
    }
  }
  const side = { requests: chargeRequests(seeds.operatorKey, spread), charges: true };
  if (wanted('charges_spread')) {
    say('charges_spread …');
    const found = await alternate(
      { ports: [ours.port], ...side },
      { ports: [textbook.port], ...side },
      seconds,
    );
    report['charges_spread'] = compare(found.ours, found.baseline);
  }
  if (wanted('charges_two_nodes')) {
    say('charges_two_nodes …');
    const found = await alternate(
      { ports: [ours.port, second.port], ...side },
      { ports: [textbook.port], ...side },
      seconds,
    );
    report['charges_two_nodes'] = compare(found.ours, found.baseline);
  }
  report['server_rss_mb'] = rssOf(ours.pid);
  return report;
}

/** The resident memory of a process, in MB. */
function rssOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1_024);
}

async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'purser-bench-'));
  const quiet = { info: () => {}, warn: () => {} };
  const postgres = await startEmbedded({ dataDir, as: 'command', log: quiet });
  const end = async () => {
    await endProcesses();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void end().then(() => process.exit(130)));
  try {
    const { host, port, user, database } = postgres.connection();
    const [config, textbookConfig] = [database, 'textbook'].map((name) => {
      return { host, port, user, database: name };
    }) as [pg.ClientConfig, pg.ClientConfig];
    const admin = new pg.Client(config);
    await admin.connect();
    await admin.query('create database textbook');
    await admin.end();

    say(`seeding ${ACCOUNTS} accounts …`);
    const seeds = await seedPurser(config, { accounts: ACCOUNTS, customerKeys: CUSTOMER_KEYS });
    await seedTextbook(textbookConfig, seeds);

    const url = (name: string) =>
      `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
    const environment = { DATABASE_URL: url(database), PURSER_PORT: '0', PURSER_LOG_LEVEL: 'warn' };
    const ours = await startServer([PURSER, 'start'], environment);
    const second = await startServer([PURSER, 'start'], environment);
    const constant = await startServer(programOf('constant.ts'));
    const textbook = await startServer(programOf('textbook.ts', url('textbook')));

    const report = await compareAll({ ours, second, constant, textbook }, seeds, config);
    process.stdout.write(`${options.json ? JSON.stringify(report) : tableOf(report)}\n`);
  } finally {
    await end();
  }
}

if (options.help) process.stdout.write(HELP);
else await main();
