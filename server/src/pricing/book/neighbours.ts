import createRouter, { type HTTPMethod } from 'find-my-way';
import { type Fault, nameOf } from './judge.ts';
import { storeOf } from './routing.ts';
import type { RawRoute } from './schema.ts';

/**
 * Tells which routes many upstreams would take for another, because they ignore case or a slash at the
 * end: `/v1/Search` for `/v1/search`. The customer chooses by the spelling what the call costs. The
 * routes must be sound.
 */
export function* neighbours(routes: Readonly<Record<string, RawRoute>>): Generator<Fault> {
  const router = createRouter();
  const owners = new Map<string, string>();
  const all = Object.entries(routes);
  for (const [name, { methods, path }] of all) {
    router.on(methods as HTTPMethod[], path, () => undefined, name);
    for (const method of methods) {
      const call = `${method} ${folded(path)}`;
      const other = owners.get(call);
      if (other !== undefined) yield warning(name, `${method} ${path}`, other);
      else owners.set(call, name);
    }
  }
  // A spelling that no route has may be caught by a wildcard.
  for (const [name, { methods, path }] of all) {
    for (const method of methods) {
      for (const spelling of spellingsOf(path)) {
        const other = storeOf(router, method, spelling) as string | undefined;
        if (other === undefined || folded(routes[other]?.path ?? '') === folded(path)) continue;
        yield warning(other, `${method} ${spelling}`, name);
      }
    }
  }
}

function warning(name: string, call: string, other: string): Fault {
  const path = ['routes', name, 'path'];
  return {
    path,
    message: `${nameOf(path)}: many upstreams take ${call} for a call of the route ${other}`,
    cure: 'give both routes one price, or make sure that the upstream tells case and slashes at the end apart',
  };
}

/** A pattern without what many upstreams ignore, nor the names of its parameters. */
function folded(pattern: string): string {
  return pattern
    .replaceAll(/:[^/]*/g, ':')
    .toLowerCase()
    .replace(/\/$/, '');
}

/** A path of the pattern in capitals, and one with or without a slash at its end. */
function spellingsOf(pattern: string): string[] {
  const path = pattern.replaceAll(/:[^/]*/g, 'x').replace(/\*$/, 'x');
  const toggled = path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
  return [toggled, path.toUpperCase()].filter((spelling) => spelling !== '');
}
