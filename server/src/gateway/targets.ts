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
 * What another server could read as another path: empty segments, dots (as they are or encoded), and
 * encoded slashes, backslashes, NULs and percent signs, which a second decoding would turn into them.
 */
const AMBIGUOUS = /\/\/|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|%(?:2f|5c|00|25)/i;

/**
 * The path and query of a request's target, in origin form (RFC 9112 §3.2.1). Undefined for every
 * other form, and for a path that two servers could read differently.
 */
export function targetOf(url: string): Target | undefined {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  if (!SANE.test(path) || AMBIGUOUS.test(path)) return undefined;
  const search = end < 0 ? '' : url.slice(end);
  return search.includes('#') ? undefined : { path, search };
}
