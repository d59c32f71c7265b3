import createRouter, { type HTTPMethod } from 'find-my-way';
import { type Fault, nameOf } from './judge.ts';
import { storeOf } from './routing.ts';
import type { RawRoute } from './schema.ts';

/**
 * Finds routes that many upstreams would confuse, because they ignore case or a trailing slash:
 * `/v1/Search` and `/v1/search`. A customer could choose the cheaper one by its spelling. The
 * routes must have passed the schema and the rules.
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
  // A wildcard may match another spelling of a route's path.
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

/** A pattern without case, trailing slash and parameter names, as many upstreams compare it. */
function folded(pattern: string): string {
  return pattern
    .replaceAll(/:[^/]*/g, ':')
    .toLowerCase()
    .replace(/\/$/, '');
}

/** A path that matches the pattern, in capitals; and the same with its trailing slash toggled. */
function spellingsOf(pattern: string): string[] {
  const path = pattern.replaceAll(/:[^/]*/g, 'x').replace(/\*$/, 'x');
  const toggled = path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
  return [toggled, path.toUpperCase()].filter((spelling) => spelling !== '');
}
