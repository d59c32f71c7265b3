import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile, readlink, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Cluster, isAlive, writeAccessRules } from './cluster.ts';
import { codeOf, fileFailure, messageOf, programFailure } from './failures.ts';
import { openForAppending } from './owned-files.ts';
import { dropSocketDirectory, PORT, socketDirectory } from './socket.ts';

const run = promisify(execFile);

/** The log of PostgreSQL is short unless something is wrong; one older part of it is kept. */
const LOG_MAX_BYTES = 5 * 1024 * 1024;

/** How much of the log is read to say why PostgreSQL died, and how much of it is shown. */
const LOG_TAIL_BYTES = 64 * 1024;
const LOG_TAIL_LINES = 12;

const POLL_MS = 20;

/** What the file `postmaster.pid` says, which a postmaster keeps while it lives. */
export interface PidFile {
  readonly pid: number;
  /** Null before PostgreSQL listens. */
  readonly socketDir: string | null;
  readonly status: 'starting' | 'ready' | 'stopping' | 'unknown';
  readonly text: string;
}

/** Null: there is none, or `'unreadable'` where it holds no process id, perhaps only yet. */
export async function readPidFile(directory: string): Promise<PidFile | 'unreadable' | null> {
  const path = join(directory, 'postmaster.pid');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw fileFailure('read the data directory', path, error);
  }
  return parsePidFile(text) ?? 'unreadable';
}

export function parsePidFile(text: string): PidFile | null {
  const [pidLine = '', , , , socketDir = '', , , status = ''] = text.split('\n');
  const pid = Math.abs(Number.parseInt(pidLine, 10));
  if (!(pid > 0)) return null;
  const word = status.trim();
  const known = word === 'starting' || word === 'ready' || word === 'stopping';
  return { pid, socketDir: socketDir || null, status: known ? word : 'unknown', text };
}

/**
 * Whether the process of `pid` is a PostgreSQL of this cluster. 'other' is certain: the id now
 * belongs to something unrelated; 'unknown' is where the system does not tell.
 */
export async function whoIs(
  pid: number,
  directory: string,
): Promise<'postmaster' | 'other' | 'nobody' | 'unknown'> {
  if (!isAlive(pid)) return 'nobody';
  if (process.platform !== 'linux') return whoIsByPs(pid, directory);
  try {
    // The state follows the name in parentheses; a zombie is a process only by name.
    if (/\) [ZX] /.test(await readFile(`/proc/${pid}/stat`, 'utf8'))) return 'nobody';
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null);
    // PostgreSQL works in its data directory.
    if (cwd !== null) return cwd === directory ? 'postmaster' : 'other';
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    if (basename(args[0] ?? '') !== 'postgres') return 'other';
    return args.includes(directory) ? 'postmaster' : 'unknown';
  } catch {
    return isAlive(pid) ? 'unknown' : 'nobody';
  }
}

async function whoIsByPs(pid: number, directory: string) {
  try {
    const { stdout } = await run('/bin/ps', ['-ww', '-o', 'stat=,command=', '-p', String(pid)]);
    if (stdout.startsWith('Z')) return 'nobody';
    if (!stdout.includes('postgres')) return 'other';
    return stdout.includes(directory) ? 'postmaster' : 'unknown';
  } catch {
    return isAlive(pid) ? 'unknown' : 'nobody';
  }
}

/** A postmaster that we started. */
export interface Launched {
  readonly pid: number;
  /** Null while it runs; then how it ended. */
  ended(): string | null;
  /** What it wrote to its log, the last lines of it. */
  lastWords(): Promise<string>;
  /** Removes what it needs no more, having ended before it was ready. */
  cleanUp(): Promise<void>;
}

export interface LaunchOptions {
  /** A process id in a stale postmaster.pid that now is of an unrelated process. */
  readonly unrelatedPid?: number | undefined;
  /** Whether to leave the folder used for the socket before. */
  readonly freshSocket: boolean;
}

/**
 * Starts `postgres` in a session of its own, so that it outlives us and no Ctrl-C meant for us
 * reaches it. If another postmaster has the data it ends by itself. Throws OperatorError.
 */
export async function launch(cluster: Cluster, how: LaunchOptions): Promise<Launched> {
  const { launcher, directory, dataDir } = cluster;
  await writeAccessRules(cluster);
  const memory = join(dataDir, 'postgresql.socket');
  const socketDir = await socketDirectory(memory, directory, launcher, how.freshSocket);
  const logPath = join(dataDir, 'postgresql.log');
  try {
    const size = await stat(logPath).then(
      (found) => found.size,
      () => 0,
    );
    if (size > LOG_MAX_BYTES) await rename(logPath, `${logPath}.1`);
    const log = await openForAppending(logPath, launcher.user);
    try {
      const from = (await log.stat()).size;
      const { file, args, options } = launcher.command(
        join(cluster.binDir, 'postgres'),
        settings(directory, socketDir),
      );
      const env: NodeJS.ProcessEnv = { ...options.env, ...MALLOC };
      // PostgreSQL takes the id in postmaster.pid for a rival's if any process has it, except this
      // one; that no backend of a rival is left it checks apart, by the shared memory.
      if (how.unrelatedPid !== undefined) env['PG_GRANDPARENT_PID'] = String(how.unrelatedPid);
      const stdio: ['ignore', number, number] = ['ignore', log.fd, log.fd];
      const child = spawn(file, args, { ...options, env, stdio, detached: true });
      const ended = watchEnd(child);
      await started(child);
      child.unref();
      const pid = child.pid ?? 0;
      const cleanUp = () => dropSocketDirectory(memory, socketDir);
      return { pid, ended, lastWords: () => readLog(logPath, from, pid), cleanUp };
    } finally {
      await log.close();
    }
  } catch (error) {
    throw fileFailure('start PostgreSQL', logPath, error);
  }
}

/**
 * glibc gives memory back to the system at the end of each statement, and PostgreSQL asks for it anew in
 * the next: a sixth of what a small batch costs. A backend keeps up to 8 MB of what it has freed
 * instead. Other systems do not know these variables (mallopt(3)).
 */
const MALLOC = {
  MALLOC_TRIM_THRESHOLD_: String(8 * 1_024 * 1_024),
  MALLOC_MMAP_THRESHOLD_: String(8 * 1_024 * 1_024),
  MALLOC_TOP_PAD_: String(1_024 * 1_024),
};

/** What has to be so whatever postgresql.conf says, and sizes fit for a small machine. */
function settings(directory: string, socketDir: string): string[] {
  const values = {
    listen_addresses: '',
    port: PORT,
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    hba_file: join(directory, 'pg_hba.conf'),
    ident_file: join(directory, 'pg_ident.conf'),
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    max_connections: 60,
    shared_buffers: '128MB',
    max_wal_size: '2GB',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    log_destination: 'stderr',
    logging_collector: 'off',
    log_line_prefix: '%m [%p] ',
    log_checkpoints: 'off',
  };
  const args = ['-D', directory];
  for (const [name, value] of Object.entries(values)) args.push('-c', `${name}=${value}`);
  return args;
}

function watchEnd(child: ChildProcess): () => string | null {
  let end: string | null = null;
  child.on('exit', (code, signal) => {
    end = signal === null ? `exit code ${code}` : `signal ${signal}`;
  });
  return () => end;
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve());
    child.once('error', (cause) => {
      reject(programFailure('PostgreSQL did not start.', messageOf(cause), cause));
    });
  });
}

/** The lines since `from` that carry the process id, or none: PostgreSQL had no log to write yet. */
async function readLog(path: string, from: number, pid: number): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const start = Math.max(from, bytes.length - LOG_TAIL_BYTES);
  const lines = bytes.subarray(start).toString('utf8').split('\n');
  const own = lines.filter((line) => line.includes(` [${pid}] `) || !/ \[\d+\] /.test(line));
  return own
    .filter((line) => line !== '')
    .slice(-LOG_TAIL_LINES)
    .join('\n');
}

/** Asks for a fast shutdown: open transactions are rolled back, nothing committed is lost. */
export function requestStop(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    // It is gone, or the system forbids it; either is seen by those who then wait for its end.
  }
}

/** Waits until the postmaster of `pid` is gone. False: it is still there after `timeoutMs`. */
export async function waitUntilGone(
  pid: number,
  directory: string,
  timeoutMs: number,
): Promise<boolean> {
  for (const giveUpAt = Date.now() + timeoutMs; Date.now() < giveUpAt; await delay(POLL_MS)) {
    const file = await readPidFile(directory);
    const isOurs = file !== null && file !== 'unreadable' && file.pid === pid;
    // The file goes a moment before the process; a process that is only not reaped yet is gone.
    if (!isOurs && (await whoIs(pid, directory)) !== 'postmaster') return true;
  }
  return false;
}

/** Removes a postmaster.pid that holds no process id, which PostgreSQL would stumble over for ever. */
export async function removeUnreadablePidFile(directory: string): Promise<void> {
  if ((await readPidFile(directory)) === 'unreadable') {
    await rm(join(directory, 'postmaster.pid'), { force: true });
  }
}
