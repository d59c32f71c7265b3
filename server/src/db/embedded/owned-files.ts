// Root writes into other users' folders here, so no operation may follow a link of theirs. Files are
// made under new names and then renamed; opened files are opened without following links.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isRoot, type OsUser } from './os-user.ts';

/** Replaces the file at `path` by one of `owner` (mode 0600), atomically and durably. */
export async function replaceFile(path: string, text: string, owner: OsUser): Promise<void> {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      if (isRoot()) await file.chown(owner.uid, owner.gid);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Opens a file of `owner` for appending, and makes it if absent. Refuses links. */
export async function openForAppending(path: string, owner: OsUser): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  const file = await open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_RDWR, 0o600);
  const { nlink, uid } = await file.stat();
  if (isRoot() && nlink === 1 && uid !== owner.uid) await file.chown(owner.uid, owner.gid);
  return file;
}

/** Makes changes in the folder of `path` survive a crash of the system. */
export async function syncParent(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
