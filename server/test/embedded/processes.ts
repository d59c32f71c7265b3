import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbedded,
} from '../../src/db/embedded/embedded.ts';
import { launcherFor, type OsUser } from '../../src/db/embedded/os-user.ts';
import { type PidFile, parsePidFile } from '../../src/db/embedded/postmaster.ts';

export const isRoot = process.geteuid?.() === 0;
export const NOBODY: OsUser = { uid: 65_534, gid: 65_534, name: 'nobody' };

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
const POLL_MS = 20;
const BOUND_MS = 20_000;

export interface Failed {
  message: string;
  details: string;
  solution: string;
}
interface Event {
  up?: { created: boolean; host: string; port: number; user: string; database: string };
  failed?: Failed;
  stopped?: boolean;
  info?: string;
  warn?: string;
}

const folders: string[] = [];
const children: Child[] = [];
const here: EmbeddedPostgres[] = [];

/** Ends everything that a test has started. Fails if a PostgreSQL outlived its users. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    // After a failed test, PostgreSQL may be unable to stop: then it is killed below.
    const stops = Promise.all(here.splice(0).map((embedded) => embedded.stop()));
    await Promise.race([stops, delay(BOUND_MS, undefined, { ref: false })]);
    await Promise.all(children.splice(0).map((child) => child.end()));
    const bases = folders.splice(0);
    const isOurs = (args: string) => bases.some((base) => args.includes(base));
    try {
      await until(() => processes().every(({ args }) => !isOurs(args)), 'all processes end');
    } finally {
      for (const { pid, args } of processes()) if (isOurs(args)) process.kill(pid, 'SIGKILL');
      for (const base of bases) removeFolder(base);
    }
  });
}

function removeFolder(base: string): void {
  removeSockets(base);
  rmSync(base, { recursive: true, force: true });
}

/** Removes the sockets' folders whose paths are stored under `base`. */
export function removeSockets(base: string): void {
  for (const name of readdirSync(base, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('postgresql.socket')) continue;
    const socketDir = readFileSync(join(base, name), 'utf8').split('\n')[0] ?? '';
    if (/\/purser-\w+$/.test(socketDir)) rmSync(socketDir, { recursive: true, force: true });
  }
}

/** All processes with their arguments, except those that end meanwhile. */
export function processes(): { pid: number; args: string }[] {
  if (!existsSync('/proc/self')) return [];
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      return [{ pid: Number(name), args: readFileSync(`/proc/${name}/cmdline`, 'utf8') }];
    } catch {
      return [];
    }
  });
}

/** Makes a folder for a test. PostgreSQL, not run by root, could not enter mkdtemp's mode 0700. */
export function folder(owner?: OsUser): string {
  const made = mkdtempSync('/tmp/embedded-test-');
  folders.push(made);
  if (owner !== undefined) chownSync(made, owner.uid, owner.gid);
  return made;
}

/**
 * Makes data directories with a stopped cluster of their own. Each is a copy of one cluster, because
 * initdb takes a second. Call it once, at the top level of a test file.
 */
export function useClusters(): (named?: string) => string {
  let template: string;
  beforeAll(async () => {
    template = mkdtempSync('/tmp/embedded-test-');
    const log = { info: () => {}, warn: () => {} };
    await (await startEmbedded({ dataDir: template, as: 'command', log })).stop();
  });
  afterAll(() => removeFolder(template));
  return (named = '.') => {
    const dataDir = join(folder(), named);
    // As Purser makes it, so that the user of PostgreSQL can pass.
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
    // -a keeps the owner, who may be another user.
    const { status } = spawnSync('cp', ['-a', join(template, 'postgresql'), dataDir]);
    expect(status).toBe(0);
    return dataDir;
  };
}

/** Waits until a condition holds. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  boundMs = BOUND_MS,
): Promise<NonNullable<T>> {
  for (const giveUpAt = Date.now() + boundMs; ; await delay(POLL_MS)) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > giveUpAt) throw new Error(`waited ${boundMs} ms in vain until ${what}`);
  }
}

/** Joins in the test's own process. */
export async function joinHere(
  dataDir: string,
  as: EmbeddedOptions['as'],
  more: Partial<EmbeddedOptions> = {},
): Promise<EmbeddedPostgres & { lines: string[] }> {
  const lines: string[] = [];
  const log = {
    info: (line: string) => lines.push(line),
    warn: (line: string) => lines.push(line),
  };
  const embedded = await startEmbedded({ dataDir, as, log, ...more });
  here.push(embedded);
  return Object.assign(embedded, { lines });
}

/** A separate Purser process. */
export class Child {
  readonly events: Event[] = [];
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #errors = '';
  #hasExited = false;

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => {
        this.#hasExited = true;
        resolve();
      });
    });
    child.stderr?.on('data', (bytes) => {
      this.#errors += bytes;
    });
    if (child.stdout !== null) {
      createInterface(child.stdout).on('line', (line) => this.events.push(JSON.parse(line)));
    }
  }

  /** Starts a process, as another OS user if `user` is given. Only root can do that. */
  static async start(options: Omit<EmbeddedOptions, 'log'>, user?: OsUser): Promise<Child> {
    const args = ['--import', import.meta.resolve('tsx'), CHILD, JSON.stringify(options)];
    // If only root can enter the checkout, the child needs the same launcher as PostgreSQL.
    const launcher = user && (await launcherFor(user, [dirname(process.execPath), dirname(CHILD)]));
    const command = launcher?.command(process.execPath, args);
    const child = new Child(
      spawn(command?.file ?? process.execPath, command?.args ?? args, {
        ...command?.options,
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    );
    children.push(child);
    return child;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async up(): Promise<NonNullable<Event['up']>> {
    const event = await this.#event((candidate) => candidate.up ?? candidate.failed);
    expect(event.failed).toBeUndefined();
    return event.up as NonNullable<Event['up']>;
  }

  async failed(): Promise<Failed> {
    return (await this.#event((event) => event.failed)).failed as Failed;
  }

  async says(pattern: RegExp): Promise<void> {
    await this.#event(({ info, warn }) => pattern.test(info ?? warn ?? ''));
  }

  #event(matches: (event: Event) => unknown): Promise<Event> {
    return until(() => {
      const found = this.events.find(matches);
      if (found === undefined && this.#hasExited) throw new Error(`it ended: ${this.#errors}`);
      return found;
    }, 'the child tells');
  }

  /** Asks the process to leave, and waits until it has. */
  async leave(): Promise<void> {
    this.#process.stdin?.end();
    await this.#event((event) => event.stopped);
    await this.#exited;
  }

  kill(signal: NodeJS.Signals): Promise<void> {
    this.#process.kill(signal);
    return this.#exited;
  }

  /** Asks the process to leave if it runs, and kills it if that takes too long. */
  async end(): Promise<void> {
    this.#process.stdin?.end();
    const patience = delay(BOUND_MS, undefined, { ref: false });
    await Promise.race([this.#exited, patience]);
    if (!this.#hasExited) await this.kill('SIGKILL');
  }
}

/** Runs a statement on a separate connection, with retries until one is accepted. */
export async function sql(
  config: () => pg.ClientConfig,
  text: string,
): Promise<Record<string, unknown>[]> {
  const client = await until(async () => {
    const candidate = new pg.Client(config());
    candidate.on('error', () => {});
    return candidate.connect().then(
      () => candidate,
      () => null,
    );
  }, 'PostgreSQL lets us in');
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** The process id of the postmaster; null: there is none. */
export function postmaster(dataDir: string): number | null {
  return pidFile(dataDir)?.pid ?? null;
}

/** The postmaster's own file of its state, null if there is none. */
export function pidFile(dataDir: string): PidFile | null {
  try {
    return parsePidFile(readFileSync(join(dataDir, 'postgresql', 'postmaster.pid'), 'utf8'));
  } catch {
    return null;
  }
}
