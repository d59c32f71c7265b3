import { statfs } from 'node:fs/promises';
import { OperatorError } from '../../operator-error.ts';

const OTHER_DATABASE = 'set DATABASE_URL to a PostgreSQL of your own';

/** The message of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of an error of the system or of PostgreSQL (`ENOENT`, `57P03`); '' if it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/**
 * The operator's error for a failed operation on a file or folder of the data directory. `wanted` is the
 * purpose, as in "make the data directory".
 */
export function fileFailure(wanted: string, path: string, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  const details = `${path}: ${messageOf(error)}`;
  const options = { cause: error };
  const elsewhere = 'set PURSER_DATA_DIR to another folder';
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFull(details, error);
    case 'EROFS':
      return new OperatorError(
        `Purser cannot ${wanted}: the file system is read-only.`,
        details,
        `Make it writable, or ${elsewhere}.`,
        options,
      );
    case 'EACCES':
    case 'EPERM':
    case 'EINVAL':
      return new OperatorError(
        `Purser is not permitted to ${wanted}.`,
        details,
        `Give the user who runs Purser (${runningUser()}) the right to write there, or ${elsewhere}.`,
        options,
      );
    case 'EEXIST':
    case 'ENOTDIR':
      return new OperatorError(
        `Purser cannot ${wanted}: a file is where a folder should be.`,
        details,
        `Move the file away, or ${elsewhere}.`,
        options,
      );
    default:
      return new OperatorError(
        `Purser cannot ${wanted}.`,
        details,
        `Solve the cause given by the operating system, or ${elsewhere}.`,
        options,
      );
  }
}

export function diskFull(details: string, cause?: unknown): OperatorError {
  return new OperatorError(
    'The disk of the data directory is full.',
    details,
    'Free some space (PostgreSQL needs about 60 MB to start with), or set PURSER_DATA_DIR to a folder on another disk.',
    { cause },
  );
}

/** The operator's error for a failed program of PostgreSQL, derived from its output. */
export function programFailure(what: string, output: string, cause?: unknown): OperatorError {
  const details = output.trim() || 'It printed nothing.';
  if (/No space left on device|Disk quota exceeded/i.test(output)) return diskFull(details, cause);
  if (/Read-only file system/i.test(output)) {
    return new OperatorError(
      `${what} The file system is read-only.`,
      details,
      'Make it writable, or set PURSER_DATA_DIR to another folder.',
      { cause },
    );
  }
  if (/Permission denied|Operation not permitted/i.test(output)) {
    return new OperatorError(
      `${what} It was not permitted to do what it needs.`,
      details,
      `Give the user that PostgreSQL runs as the rights named above, set PURSER_DATA_DIR to another folder, or ${OTHER_DATABASE}.`,
      { cause },
    );
  }
  return new OperatorError(
    what,
    details,
    `Solve the cause that PostgreSQL gives; if its data are damaged, put back a backup of the data directory. Or ${OTHER_DATABASE}.`,
    { cause },
  );
}

function runningUser(): string {
  return `uid ${process.geteuid?.() ?? '?'}`;
}

/** A text if the disk is full, which PostgreSQL could not even log; otherwise ''. */
export async function fullDiskWords(folder: string): Promise<string> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize < 1024 * 1024 ? `No space left on device: ${folder}` : '';
}
