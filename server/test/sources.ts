import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Folders of installed, built and hidden files. */
const SKIPPED = /^(?:node_modules|dist|\..*)$/;

/** A file of the project, by its path from the root, with `/` between folders. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** The files of the project in a folder with this ending; '' is the root. */
export function sourcesIn(folder: string, ending = 'ts'): Source[] {
  return pathsIn(folder)
    .filter((path) => path.endsWith(`.${ending}`))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

function pathsIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return SKIPPED.test(entry.name) ? [] : pathsIn(path);
  });
}
