import { chown, lstat, mkdtemp, readFile, realpath, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperatorError } from '../../operator-error.ts';
import { codeOf, fileFailure } from './failures.ts';
import { isRoot, type Launcher, mayEnter } from './os-user.ts';
import { replaceFile } from './owned-files.ts';

/** Any number would do: the socket's folder has no other PostgreSQL. */
export const PORT = 5432;

/** The limit is 103 bytes on macOS and 107 on Linux; this leaves a margin. */
const SOCKET_PATH_MAX_BYTES = 100;
const NAME = 'purser-';
const MKDTEMP_SUFFIX = 'XXXXXX';

/** A plain path: PostgreSQL takes a list of folders, and a name must not look like a list. */
const PLAIN_PATH = /^\/[\w./+-]*$/;

/** The path of the socket in its folder. */
export function socketPath(socketDir: string): string {
  return join(socketDir, `.s.PGSQL.${PORT}`);
}

/** Whether the socket still exists; nobody can connect without it. */
export async function isSocketThere(socketDir: string): Promise<boolean> {
  return lstat(socketPath(socketDir)).then(
    () => true,
    (error) => codeOf(error) !== 'ENOENT',
  );
}

/**
 * The private folder of the cluster's socket. It is the previous one, if that is still private, or a new
 * one, whose path is stored in the file `memory`. `fresh` requests a new one.
 */
export async function socketDirectory(
  memory: string,
  clusterDir: string,
  launcher: Launcher,
  fresh: boolean,
): Promise<string> {
  // The cluster folder's identity keeps a copy of the data directory from using the original's socket.
  const { dev, ino } = await stat(clusterDir);
  const identity = `${dev}:${ino}`;
  const [known, of] = (await readFile(memory, 'utf8').catch(() => '')).split('\n');
  if (!fresh && known && of === identity && (await isPrivate(known, launcher))) return known;
  const made = await makeDirectory(launcher);
  try {
    await replaceFile(memory, `${made}\n${identity}\n`, launcher.user);
  } catch (error) {
    throw fileFailure('write to the data directory', memory, error);
  }
  return made;
}

/** Removes the folder of a failed start, unless it is the one in `memory`. */
export async function dropSocketDirectory(memory: string, socketDir: string): Promise<void> {
  const [known] = (await readFile(memory, 'utf8').catch(() => '')).split('\n');
  if (known !== socketDir) await rmdir(socketDir).catch(() => {});
}

async function isPrivate(path: string, { user }: Launcher): Promise<boolean> {
  try {
    const found = await lstat(path);
    return found.isDirectory() && found.uid === user.uid && (found.mode & 0o777) === 0o700;
  } catch {
    return false;
  }
}

async function makeDirectory(launcher: Launcher): Promise<string> {
  let failure: unknown;
  for (const base of [tmpdir(), '/tmp', '/var/tmp']) {
    try {
      const real = await realpath(base);
      const longest = socketPath(join(real, NAME + MKDTEMP_SUFFIX));
      if (Buffer.byteLength(longest) > SOCKET_PATH_MAX_BYTES || !PLAIN_PATH.test(real)) continue;
      if (isRoot() && launcher.closed === null && !(await mayEnter(launcher.user, real))) continue;
      const made = await mkdtemp(join(real, NAME));
      if (isRoot()) await chown(made, launcher.user.uid, launcher.user.gid);
      return made;
    } catch (error) {
      failure = error;
    }
  }
  if (failure !== undefined) throw fileFailure('make a folder for the socket', '/tmp', failure);
  throw new OperatorError(
    'There is no folder for the socket of PostgreSQL.',
    `Neither ${tmpdir()} nor /tmp nor /var/tmp has a short path that ${launcher.user.name} may enter.`,
    'Set TMPDIR to such a folder, or set DATABASE_URL to a PostgreSQL of your own.',
  );
}
