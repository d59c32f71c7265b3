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

/** The size at which PostgreSQL's log is rotated; one older part is kept. */
const LOG_MAX_BYTES = 5 * 1024 * 1024;

/** The tail of the log that is read to explain PostgreSQL's death, and the part of it that is shown. */
const LOG_TAIL_BYTES = 64 * 1024;
const LOG_TAIL_LINES = 12;

const POLL_MS = 20;

/** The contents of `postmaster.pid`, a file that exists while a postmaster lives. */
export interface PidFile {
  readonly pid: number;
  /** Null: PostgreSQL does not listen yet. */
  readonly socketDir: string | null;
  readonly status: 'starting' | 'ready' | 'stopping' | 'unknown';
  readonly text: string;
}

/** Null: there is no file. `'unreadable'`: it has no process id, perhaps not yet. */
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
 * Whether the process `pid` is a PostgreSQL of this cluster. 'other' is certain: the id belongs to an
 * unrelated process. 'unknown': the system does not tell.
 */
export async function whoIs(
  pid: number,
  directory: string,
): Promise<'postmaster' | 'other' | 'nobody' | 'unknown'> {
  if (!isAlive(pid)) return 'nobody';
  if (process.platform !== 'linux') return whoIsByPs(pid, directory);
  try {
    // The state follows the name in parentheses. A zombie (Z) does not run any more.
    if (/\) [ZX] /.test(await readFile(`/proc/${pid}/stat`, 'utf8'))) return 'nobody';
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null);
    // PostgreSQL's working directory is its data directory.
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
  /** Null: it runs. Otherwise a text about its end. */
  ended(): string | null;
  /** The last lines of its log. */
  lastWords(): Promise<string>;
  /** Removes its socket folder, if it ended before it was ready. */
  cleanUp(): Promise<void>;
}

export interface LaunchOptions {
  /** The process id in a stale postmaster.pid, if an unrelated process has it now. */
  readonly unrelatedPid?: number | undefined;
  /** Whether to use a new folder for the socket. */
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
        settings(cluster, socketDir),
      );
      const env: NodeJS.ProcessEnv = { ...options.env, ...MALLOC };
      // PostgreSQL takes any living process with the id in postmaster.pid for a rival, except this one.
      // It checks by the shared memory that no backend of a rival is left.
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
 * Lets a backend keep up to 8 MB of freed memory (mallopt(3)). By default glibc returns memory to the
 * system after each statement and requests it again: a sixth of the cost of a small batch. Other systems
 * ignore these variables.
 */
const MALLOC = {
  MALLOC_TRIM_THRESHOLD_: String(8 * 1_024 * 1_024),
  MALLOC_MMAP_THRESHOLD_: String(8 * 1_024 * 1_024),
  MALLOC_TOP_PAD_: String(1_024 * 1_024),
};

/** Settings that override postgresql.conf, and sizes for a small machine. */
function settings({ directory, maxConnections }: Cluster, socketDir: string): string[] {
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
    max_connections: maxConnections,
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

/** The log's lines since `from` with the process id; none if PostgreSQL had not opened its log. */
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

/** Requests a fast shutdown: PostgreSQL rolls open transactions back and loses no commit. */
export function requestStop(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    // The process is gone, or the system forbids it. The caller's wait for its end tells which.
  }
}

/** Waits for the end of the postmaster `pid`. False: it still runs after `timeoutMs`. */
export async function waitUntilGone(
  pid: number,
  directory: string,
  timeoutMs: number,
): Promise<boolean> {
  for (const giveUpAt = Date.now() + timeoutMs; Date.now() < giveUpAt; await delay(POLL_MS)) {
    const file = await readPidFile(directory);
    const isOurs = file !== null && file !== 'unreadable' && file.pid === pid;
    // The file vanishes shortly before the process. A process that is only unreaped has ended.
    if (!isOurs && (await whoIs(pid, directory)) !== 'postmaster') return true;
  }
  return false;
}

/** Removes a postmaster.pid without a process id: PostgreSQL would never start with it. */
export async function removeUnreadablePidFile(directory: string): Promise<void> {
  if ((await readPidFile(directory)) === 'unreadable') {
    await rm(join(directory, 'postmaster.pid'), { force: true });
  }
}
