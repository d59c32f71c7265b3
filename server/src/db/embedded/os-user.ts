// PostgreSQL refuses to run as root, so a Purser that runs as root starts it as another user. That user
// often may not enter the folders of root's checkout. Then setpriv starts PostgreSQL with
// CAP_DAC_READ_SEARCH alone, which lets it pass these folders. `no_setuid_fixup` is needed too: without
// it access(2), which PostgreSQL's programs use to find each other, ignores the capability.

import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { OperatorError } from '../../operator-error.ts';
import { messageOf } from './failures.ts';

/** A user of the operating system. */
export interface OsUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
}

/** The user of PostgreSQL's programs, and the wrapper that starts them. */
export interface Launcher {
  /** The owner of the cluster and user of PostgreSQL. */
  readonly user: OsUser;
  /** A folder that the user can enter only with the capability; null: there is none. */
  readonly closed: string | null;
  command(program: string, args: readonly string[]): Command;
}

export interface Command {
  readonly file: string;
  readonly args: string[];
  readonly options: { cwd: string; env: Record<string, string>; uid?: number; gid?: number };
}

const SETPRIV_PLACES = ['/usr/bin/setpriv', '/bin/setpriv'];

/** The whole environment of the programs. Its fixed language makes their messages readable for us. */
const CHILD_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** The user who runs Purser. Throws OperatorError if the system has no name for it. */
export function runningUser(): OsUser {
  try {
    const { uid, gid, username } = userInfo();
    return { uid, gid, name: username };
  } catch (cause) {
    throw new OperatorError(
      'The user who runs Purser has no name in this system.',
      `uid ${process.geteuid?.() ?? '?'}: ${messageOf(cause)}`,
      'Run Purser as a user that is listed in /etc/passwd, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause },
    );
  }
}

/**
 * The user for PostgreSQL. `owner` is the uid of the existing cluster's owner; null: there is no cluster.
 * Throws OperatorError if we cannot become that user.
 */
export async function postgresUser(clusterDir: string, owner: number | null): Promise<OsUser> {
  const users = await passwdUsers();
  if (!isRoot()) {
    const self = runningUser();
    if (owner === null || owner === self.uid) return self;
    throw await belongsToAnother(clusterDir, owner);
  }
  if (owner === 0) {
    throw new OperatorError(
      'The data directory belongs to root, and PostgreSQL refuses to run as root.',
      `${clusterDir} belongs to root, perhaps because root copied it.`,
      `Give it to the user that PostgreSQL shall run as, for example: chown -R ${(await unprivileged(users)).name} '${clusterDir}'`,
    );
  }
  const chosen =
    owner === null ? await unprivileged(users) : users.find((user) => user.uid === owner);
  if (chosen !== undefined) return chosen;
  throw new OperatorError(
    'The data directory belongs to a user that is not known here.',
    `${clusterDir} belongs to uid ${owner}, which /etc/passwd does not list.`,
    `Run Purser as that user, or give the folder to one that is listed: chown -R ${(await unprivileged(users)).name} '${clusterDir}'`,
  );
}

/** The operator's error for a path of another user, with the uid `owner`. */
export async function belongsToAnother(path: string, owner: number): Promise<OperatorError> {
  const self = runningUser();
  const users = await passwdUsers();
  const them = users.find((user) => user.uid === owner)?.name ?? `uid ${owner}`;
  return new OperatorError(
    'The data directory belongs to another user.',
    `${path} belongs to ${them}; Purser runs as ${self.name} (uid ${self.uid}).`,
    `Run Purser as ${owner === 0 ? 'root' : `${them} or root`}, or set PURSER_DATA_DIR to a folder of ${self.name}'s own.`,
  );
}

async function unprivileged(users: readonly OsUser[]): Promise<OsUser> {
  for (const name of ['postgres', 'nobody']) {
    const user = users.find((candidate) => candidate.name === name && candidate.uid !== 0);
    if (user !== undefined) return user;
  }
  throw new OperatorError(
    'PostgreSQL refuses to run as root, and there is no other user for it.',
    '/etc/passwd lists neither "postgres" nor "nobody".',
    'Run Purser as an ordinary user, or make a user "postgres", or set DATABASE_URL to a PostgreSQL of your own.',
  );
}

async function passwdUsers(): Promise<OsUser[]> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    if (!name || name.startsWith('#') || !uid || !gid) return [];
    // Some systems print the highest ids as negative numbers.
    return [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }];
  });
}

/**
 * The launcher for PostgreSQL as `user`, who must be able to enter all `folders` (real paths). Throws
 * OperatorError if that is impossible.
 */
export async function launcherFor(user: OsUser, folders: readonly string[]): Promise<Launcher> {
  if (!isRoot()) {
    return {
      user,
      closed: null,
      command: (file, args) => ({ file, args: [...args], options: { cwd: '/', env: CHILD_ENV } }),
    };
  }
  const { uid, gid } = user;
  const closed = await firstClosed(user, folders);
  if (closed === null) {
    // Node expects signed ids, such as that of "nobody" on macOS.
    return {
      user,
      closed: null,
      command: (file, args) => ({
        file,
        args: [...args],
        options: { cwd: '/', env: CHILD_ENV, uid: uid | 0, gid: gid | 0 },
      }),
    };
  }
  const setpriv = await findSetpriv();
  if (setpriv === null) throw cannotEnter(user, closed, 'There is no setpriv to help it in.');
  const caps = '-all,+dac_read_search';
  const as = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
  as.push('--inh-caps', caps, '--ambient-caps', caps, '--bounding-set', caps);
  as.push('--securebits', '+no_setuid_fixup', '--');
  return {
    user,
    closed,
    command: (file, args) => ({
      file: setpriv,
      args: [...as, file, ...args],
      options: { cwd: '/', env: CHILD_ENV },
    }),
  };
}

/** The operator's error if PostgreSQL's user cannot enter a folder. */
export function cannotEnter(user: OsUser, folder: string, details: string): OperatorError {
  return new OperatorError(
    `PostgreSQL cannot run as ${user.name}, which root has to run it as.`,
    `${user.name} may not enter ${folder}. ${details}`,
    `Run Purser as an ordinary user; or put the checkout and PURSER_DATA_DIR where ${user.name} may enter; or set DATABASE_URL to a PostgreSQL of your own.`,
  );
}

/** The operator's error if root lacks the right to run programs as another user. */
export function mayNotBecome(user: OsUser, details: string): OperatorError {
  return new OperatorError(
    `PostgreSQL cannot run as ${user.name}, which root has to run it as.`,
    `Root is not allowed to change its user here: ${details}`,
    'Run Purser as an ordinary user; or give it the capabilities CHOWN, SETUID and SETGID; or set DATABASE_URL to a PostgreSQL of your own.',
  );
}

/** Whether `user` may enter every folder of a real path. */
export async function mayEnter(user: OsUser, path: string): Promise<boolean> {
  return (await firstClosed(user, [path])) === null;
}

async function firstClosed(user: OsUser, folders: readonly string[]): Promise<string | null> {
  for (const folder of folders) {
    for (let at = folder; ; at = dirname(at)) {
      const { uid, gid, mode } = await stat(at);
      const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
      if ((mode & bit) === 0) return at;
      if (at === dirname(at)) break;
    }
  }
  return null;
}

async function findSetpriv(): Promise<string | null> {
  for (const place of SETPRIV_PLACES) {
    const isThere = await access(place, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return place;
  }
  return null;
}
