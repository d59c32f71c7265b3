import { holdsKey } from './key-in-text.ts';

/** The target of a request, undecoded: the gateway judges the same bytes that the upstream sees. */
export interface Target {
  readonly path: string;
  /** The query with its question mark; empty if there is none. */
  readonly search: string;
}

/** Visible ASCII without the characters that some servers take for separators, and whole percent-encodings. */
const SANE = /^\/(?:[\w\-.~!$&'()*+,;=:@/]|%[0-9a-f]{2})*$/i;
/**
 * Parts of a path that another server could read differently: empty segments, segments of parameters
 * alone, and dot segments, plain or encoded. So are encoded slashes, backslashes and control characters,
 * and an encoded percent sign, which a second decoding would turn into one of these.
 */
const AMBIGUOUS = /\/(?:\/|;|%3b)|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|%(?:2f|5c|25|[01][0-9a-f]|7f)/i;

/** The parameters of a segment (RFC 3986 §3.3), which some servers remove before they read it. */
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

/** The path without the parameters of its segments, as some servers read it. */
export function withoutParameters(path: string): string {
  return path.replace(PARAMETERS, '');
}

/**
 * The target without the members of its query that hold the customer's key. Undefined if the key cannot
 * be removed: it is in the path, or spans several members.
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
