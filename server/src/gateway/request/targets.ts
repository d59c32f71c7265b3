import { holdsKey } from './key-in-text.ts';

/**
 * What a request asks for, as it came: nothing is decoded, since what is judged must be what the
 * upstream sees.
 */
export interface Target {
  readonly path: string;
  /** With its question mark; empty where there is none. */
  readonly search: string;
}

/** Visible ASCII without what some servers take for a separator, and percent-encodings that are whole. */
const SANE = /^\/(?:[\w\-.~!$&'()*+,;=:@/]|%[0-9a-f]{2})*$/i;
/**
 * What another server could read as another path: segments that are empty or have only parameters, dots (as
 * they are or encoded), encoded slashes, backslashes and control characters, and percent signs, which a
 * second decoding would turn into them.
 */
const AMBIGUOUS = /\/(?:\/|;|%3b)|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|%(?:2f|5c|25|[01][0-9a-f]|7f)/i;

/** What some servers cut off a segment before they read it: parameters (RFC 3986 §3.3). */
const PARAMETERS = /(?:;|%3b)[^/]*/gi;

/**
 * The path and query of a request's target, in origin form (RFC 9112 §3.2.1). Undefined for every
 * other form, and for a path that two servers could read differently.
 */
export function targetOf(url: string): Target | undefined {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  if (!SANE.test(path)) return undefined;
  if (AMBIGUOUS.test(path) || AMBIGUOUS.test(withoutParameters(path))) return undefined;
  const search = end < 0 ? '' : url.slice(end);
  return search.includes('#') ? undefined : { path, search };
}

/** A path as servers see it that cut the parameters off its segments. */
export function withoutParameters(path: string): string {
  return path.replace(PARAMETERS, '');
}

/**
 * A target whose query has no member that holds the customer's key. Undefined if the key is elsewhere,
 * where nothing can be left out: in the path, or across members.
 */
export function withoutKey(target: Target, key: string): Target | undefined {
  const { path, search } = target;
  if (holdsKey(path, key)) return undefined;
  if (!holdsKey(search, key)) return target;
  const members = search.slice(1).split('&');
  const kept = members.filter((member) => !holdsKey(member, key)).join('&');
  if (holdsKey(kept, key)) return undefined;
  return { path, search: kept === '' ? '' : `?${kept}` };
}
