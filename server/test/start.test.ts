import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import {
  cleanUpAfterEach,
  folder,
  pidFile,
  postmaster,
  processes,
  until,
  useClusters,
} from './embedded/processes.ts';

/** Interrupts of a start before the server listens. */

const PURSER = fileURLToPath(new URL('../bin/purser.js', import.meta.url));

/** The longest time that an interrupted start may take to end, on a busy machine. */
const LONGEST_END_MS = 8_000;

const running = new Set<ChildProcess>();
// Hooks run in reverse order: the processes that a failed test left are killed before PostgreSQL.
cleanUpAfterEach();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});
const newCluster = useClusters();

interface Purser {
  readonly child: ChildProcess;
  output(): string;
}

/** Runs `purser` on a data directory. */
function purser(dataDir: string, ...args: string[]): Purser {
  const child = spawn(process.execPath, [PURSER, ...args], {
    env: { PATH: '/usr/bin:/bin', PURSER_PORT: '0', PURSER_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  const hear = (data: Buffer) => {
    output += data;
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  return { child, output: () => output };
}

/** Interrupts a start. It must end soon with this exit code, and leave no process behind. */
async function interrupt(
  { child, output }: Purser,
  dataDir: string,
  signal: NodeJS.Signals,
  exitCode: number,
): Promise<void> {
  // Before Purser is loaded, nothing handles the signal, and nothing has to be stopped.
  const hasBegun = existsSync(dataDir);
  const began = Date.now();
  if (child.exitCode === null) {
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
  }
  expect(Date.now() - began).toBeLessThan(LONGEST_END_MS);
  expect([child.exitCode, child.signalCode], output()).toEqual(
    hasBegun || child.signalCode === null ? [exitCode, null] : [null, signal],
  );
  expect(output()).not.toMatch(/^Error: |"level":"(error|fatal)"/m);
  expect(processes().filter(({ args }) => args.includes(dataDir))).toEqual([]);
  if (existsSync(dataDir)) {
    expect(readdirSync(dataDir).filter((name) => name.startsWith('.'))).toEqual([]);
  }
}

/** Expects that a start on the data directory succeeds, and stops it. */
async function expectStart(dataDir: string): Promise<void> {
  const next = purser(dataDir, 'start');
  await until(() => next.output().includes('listening on'), 'the next start listens');
  await interrupt(next, dataDir, 'SIGTERM', 0);
}

const isInInitdb = (dataDir: string) =>
  existsSync(dataDir) && String(readdirSync(dataDir)).includes('.postgresql-');
const hasPostmaster = (dataDir: string) => postmaster(dataDir) !== null;

test.each<[string, NodeJS.Signals, (dataDir: string) => boolean]>([
  ['its programs are loaded', 'SIGTERM', () => true],
  ['its data directory is made', 'SIGINT', existsSync],
  ['initdb runs', 'SIGTERM', isInInitdb],
])('a first start is ended while %s, by %s, and the next one works', async (_, signal, isTime) => {
  const dataDir = join(folder(), 'data');
  const first = purser(dataDir, 'start');
  await until(() => isTime(dataDir), 'it is time');
  await interrupt(first, dataDir, signal, 0);
  await expectStart(dataDir);
});

test.each<[string, NodeJS.Signals, (dataDir: string, output: string) => boolean]>([
  ['PostgreSQL starts', 'SIGTERM', hasPostmaster],
  ['PostgreSQL takes its first connections', 'SIGINT', (at) => pidFile(at)?.status === 'ready'],
  ['it makes the demo', 'SIGTERM', (_, output) => output.includes('applied migration')],
])('a start is ended while %s, by %s, and the next one works', async (_, signal, isTime) => {
  const dataDir = newCluster();
  const first = purser(dataDir, 'start');
  await until(() => isTime(dataDir, first.output()), 'it is time');
  await interrupt(first, dataDir, signal, 0);
  await expectStart(dataDir);
});

test('Ctrl-C, which a terminal sends to initdb as well, ends a start without an error', async () => {
  const dataDir = join(folder(), 'data');
  const first = purser(dataDir, 'start');
  await until(() => isInInitdb(dataDir), 'initdb runs');
  for (const { pid, args } of processes()) {
    if (args.includes('initdb') && args.includes(dataDir)) process.kill(pid, 'SIGINT');
  }
  await interrupt(first, dataDir, 'SIGINT', 0);
  await expectStart(dataDir);
});

test('a start does not wait for the end of a recovery', async () => {
  const dataDir = newCluster();
  const cluster = join(dataDir, 'postgresql');
  // The recovery takes at least as long as this command.
  writeFileSync(join(cluster, 'recovery.signal'), '');
  const command = "restore_command = 'sleep 20'\n";
  appendFileSync(join(cluster, 'postgresql.conf'), command);
  const first = purser(dataDir, 'start');
  await until(() => hasPostmaster(dataDir), 'PostgreSQL starts');
  await interrupt(first, dataDir, 'SIGTERM', 0);
});

test('a command that is interrupted while PostgreSQL starts leaves nothing behind', async () => {
  const dataDir = newCluster();
  const command = purser(dataDir, 'account', 'list');
  await until(() => hasPostmaster(dataDir), 'PostgreSQL starts');
  await interrupt(command, dataDir, 'SIGINT', 130);
  await expectStart(dataDir);
});
