import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { OperatorError } from '../../operator-error.ts';
import { locateBinaries, majorVersion } from './binaries.ts';
import { codeOf, fileFailure, messageOf, programFailure } from './failures.ts';
import {
  belongsToAnother,
  isRoot,
  type Launcher,
  launcherFor,
  postgresUser,
  runningUser,
} from './os-user.ts';
import { replaceFile, syncParent } from './owned-files.ts';

/** The cluster's bootstrap superuser, the owner of the tables. */
export const OWNER = 'purser_owner';
/** The server's login. */
export const SERVING = 'purser_serving';

const run = promisify(execFile);
const INITDB_TIMEOUT_MS = 120_000;

/** Longer than any initdb takes; an older draft is abandoned, even if its process id is in use. */
const DRAFT_MAX_AGE_MS = 10 * 60_000;
const DRAFT = /^\.postgresql-(\d+)-/;

/** The drafts of this process; another draft with its process id is from an earlier process. */
const ownDrafts = new Set<string>();

/** Enough for a server and commands beside it. */
const MAX_CONNECTIONS = 60;

/** A cluster on disk, with the programs and the user that run it. All paths are real paths. */
export interface Cluster {
  readonly dataDir: string;
  /** PostgreSQL's data directory. */
  readonly directory: string;
  readonly binDir: string;
  readonly launcher: Launcher;
  readonly maxConnections: number;
  /** Whether this call made the cluster. */
  readonly created: boolean;
}

export interface OpenClusterOptions {
  readonly dataDir: string;
  readonly binDir?: string;
  /** PostgreSQL's setting of the name, if this call starts it; default 60. */
  readonly maxConnections?: number;
  /** Aborts initdb; then no process and no part of a cluster remain. */
  readonly signal?: AbortSignal;
}

/** Opens the cluster in `dataDir`, or makes one there. Throws OperatorError. */
export async function openCluster(options: OpenClusterOptions): Promise<Cluster> {
  const { dataDir, binDir, maxConnections = MAX_CONNECTIONS, signal } = options;
  const bin = await locateBinaries(binDir);
  const data = await makeDataDirectory(resolve(dataDir));
  const named = join(data, 'postgresql');
  // The operator may have made a link to a larger disk.
  const directory = await realpath(named).catch(() => named);
  const existing = await existingVersion(directory);
  const user = await postgresUser(directory, existing === null ? null : await ownerOf(directory));
  const launcher = await launcherFor(user, [bin, existing === null ? data : directory]);
  const major = await majorVersion(bin, launcher);
  await removeStaleDrafts(data);
  let created = false;
  if (existing === null) {
    const make = (draft: string) => initdb(draft, bin, launcher, major, signal);
    created = await createCluster(data, directory, launcher, make);
  }
  const version = existing ?? (await existingVersion(directory));
  if (version !== String(major)) throw wrongVersion(directory, String(version), major);
  return { dataDir: data, directory, binDir: bin, launcher, maxConnections, created };
}

async function makeDataDirectory(dataDir: string): Promise<string> {
  try {
    // PostgreSQL's user must be able to pass the folder, whatever root's umask is.
    const mode = isRoot() ? 0o711 : 0o700;
    const made = await mkdir(dataDir, { recursive: true, mode });
    if (made !== undefined) await chmod(dataDir, mode);
    const real = await realpath(dataDir);
    await readdir(real);
    return real;
  } catch (error) {
    const owner = await stat(dataDir).then(
      ({ uid }) => uid,
      () => null,
    );
    const isTheirs = codeOf(error) === 'EACCES' && owner !== null && owner !== process.geteuid?.();
    if (isTheirs) throw await belongsToAnother(dataDir, owner);
    throw fileFailure('make the data directory', dataDir, error);
  }
}

/** The major version that made the cluster; null: there is none, or the folder is empty. */
async function existingVersion(directory: string): Promise<string | null> {
  try {
    return (await readFile(join(directory, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      // The owner of a folder that we may not enter explains the failure better.
      if (codeOf(error) === 'EACCES') await postgresUser(directory, await ownerOf(directory));
      throw fileFailure('read the data directory', directory, error);
    }
  }
  const found = await readdir(directory).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw fileFailure('read the data directory', directory, error);
  });
  if (found.length === 0) return null;
  throw new OperatorError(
    'The data directory holds something that is not a PostgreSQL cluster.',
    `${directory} is not empty, and has no file PG_VERSION.`,
    'Put back a backup of the folder, move it away to start with an empty database, or set PURSER_DATA_DIR to another folder.',
  );
}

async function ownerOf(directory: string): Promise<number> {
  try {
    return (await stat(directory)).uid;
  } catch (error) {
    throw fileFailure('read the data directory', directory, error);
  }
}

function wrongVersion(directory: string, found: string, major: number): OperatorError {
  return new OperatorError(
    'The data directory was made by another version of PostgreSQL.',
    `${directory} is of PostgreSQL ${found}; this release of Purser brings PostgreSQL ${major}.`,
    'Go back to the release of Purser that made it and move the data from there to a new one, or set PURSER_DATA_DIR to another folder.',
  );
}

/**
 * Makes the cluster under another name, and renames it when it is complete and on disk. So the folder
 * `postgresql` is whole even if we are killed. False: another process was first.
 */
async function createCluster(
  dataDir: string,
  directory: string,
  launcher: Launcher,
  make: (draft: string) => Promise<void>,
): Promise<boolean> {
  const name = `.postgresql-${process.pid}-${randomBytes(4).toString('hex')}`;
  const draft = join(dataDir, name);
  ownDrafts.add(name);
  try {
    await mkdir(draft, { mode: 0o700 });
    if (isRoot()) await lchown(draft, launcher.user.uid, launcher.user.gid);
    await make(draft);
    await rename(draft, directory);
    await syncParent(directory);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false;
    throw fileFailure('make the database in the data directory', draft, error);
  } finally {
    await rm(draft, { recursive: true, force: true });
    ownDrafts.delete(name);
  }
}

async function initdb(
  draft: string,
  binDir: string,
  launcher: Launcher,
  major: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const settings = ['-D', draft, '-U', OWNER, '--encoding=UTF8', '--data-checksums'];
  settings.push('--auth-local=reject', '--auth-host=reject', '--no-instructions', '--locale=C');
  // PostgreSQL 17 and later have built-in Unicode rules, the same on every system.
  if (major >= 17) settings.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8');
  const { file, args, options } = launcher.command(join(binDir, 'initdb'), settings);
  const running = run(file, args, {
    ...options,
    timeout: INITDB_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  // The `signal` of execFile would not wait for the end of initdb and of its PostgreSQL.
  const breakOff = () => void running.child.kill('SIGTERM');
  signal?.addEventListener('abort', breakOff);
  if (signal?.aborted) breakOff();
  try {
    await running;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const output = stderr.trim() || stdout.trim() || messageOf(error);
    throw programFailure('PostgreSQL could not make its database (initdb failed).', output, error);
  } finally {
    signal?.removeEventListener('abort', breakOff);
  }
}

/** Removes the drafts of killed processes. A draft that cannot be removed does no harm. */
async function removeStaleDrafts(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const pid = Number(DRAFT.exec(name)?.[1]);
    if (Number.isNaN(pid) || ownDrafts.has(name)) continue;
    const draft = join(dataDir, name);
    const madeMs = await lstat(draft).then(
      (found) => found.mtimeMs,
      () => Date.now(),
    );
    const isFresh = Date.now() - madeMs < DRAFT_MAX_AGE_MS;
    if (pid !== process.pid && isFresh && isAlive(pid)) continue;
    await rm(draft, { recursive: true, force: true }).catch(() => {});
  }
}

/** Whether any process has this id. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Writes the access rules: over the socket only, for the system users who run Purser and PostgreSQL, and
 * for root. All of them could read the files anyway. False: the rules were there already.
 */
export async function writeAccessRules({ directory, launcher }: Cluster): Promise<boolean> {
  const names = new Set(['root', runningUser().name]);
  // With its capability PostgreSQL can read more than its user, who must not gain that by connecting.
  if (launcher.closed === null) names.add(launcher.user.name);
  const logins = [OWNER, SERVING];
  const lines = [...names].flatMap((name) => logins.map((login) => `purser "${name}" ${login}\n`));
  const note = '# Written by Purser at each start of PostgreSQL.\n';
  const files = {
    'pg_hba.conf': `${note}local all ${logins} peer map=purser\n`,
    'pg_ident.conf': note + lines.join(''),
  };
  let isNew = false;
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    try {
      if ((await readFile(path, 'utf8').catch(() => '')) === text) continue;
      await replaceFile(path, text, launcher.user);
      isNew = true;
    } catch (error) {
      throw fileFailure('write to the data directory', path, error);
    }
  }
  return isNew;
}
