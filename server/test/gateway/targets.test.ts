import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holdsKey, holdsKeyInBasic } from '../../src/gateway/request/key-in-text.ts';
import { targetOf, withoutKey, withoutParameters } from '../../src/gateway/request/targets.ts';

/** Enough runs to try each three of the pieces below. */
const RUNS = 20_000;

const decoded = (path: string) =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
const cut = (path: string) => path.replace(/;[^/]*/g, '');

/** A path without empty segments and dot segments, as servers normalize it before the look-up. */
function normalized(path: string): string {
  const kept: string[] = [];
  for (const segment of path.replaceAll('\\', '/').split('/').slice(1)) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  return `/${kept.join('/')}${/[^/]\/$/.test(path) ? '/' : ''}`;
}

/** The normalization of a path by each kind of server. */
const SERVERS: Readonly<Record<string, (path: string) => string>> = {
  nginx: (path) => normalized(decoded(path)),
  tomcat: (path) => normalized(decoded(cut(path))),
  'cuts after decoding': (path) => normalized(cut(decoded(path))),
  'decodes twice': (path) => normalized(decoded(decoded(path))),
  'ends at NUL': (path) => normalized(decoded(path).split('\0')[0] ?? ''),
};

const piece = fc.constantFrom(
  ...['/', '/', '/', 'a', 'tools', '.', '..', '%2e', '%2E%2e', ';', ';x=1', '%3b', '%3B'],
  ...['%2f', '%5c', '\\', '%00', '%25', '%252e', '%0a', '%20', '%c0%ae', '%u002e', '#', ' '],
);

test('every kind of server reads a forwarded path alike, except for its parameters', () => {
  const paths = fc.array(piece, { maxLength: 7 }).map((pieces) => `/${pieces.join('')}`);
  let passed = 0;
  fc.assert(
    fc.property(paths, (path) => {
      const target = targetOf(path);
      if (!target) return;
      passed += 1;
      expect(target).toEqual({ path, search: '' });
      const bare = decoded(withoutParameters(path));
      for (const [server, reads] of Object.entries(SERVERS)) {
        expect([server, path, cut(reads(path))]).toEqual([server, path, bare]);
      }
    }),
    { numRuns: RUNS },
  );
  expect(passed).toBeGreaterThan(RUNS / 20);
});

describe('a key', () => {
  const KEY = 'sk/live+of="the" custom=er&1';
  const encoded = encodeURIComponent(KEY);
  const form = new URLSearchParams({ k: KEY }).toString();

  test.each([KEY, `x${KEY}y`, encoded, form, form.replaceAll('%2F', '/'), KEY.replace(' ', '%20')])(
    'is found in %s',
    (text) => {
      expect(holdsKey(text, KEY)).toBe(true);
    },
  );

  test.each(['', 'sk/live', KEY.toUpperCase(), '%', '%zz+', 'prsr_short'])(
    'is not found in %j',
    (text) => {
      expect(holdsKey(text, KEY)).toBe(false);
    },
  );

  test('is found as bytes, in Basic credentials, and if Purser made it', () => {
    const latin1 = Buffer.from('schlüssel-eins').toString('latin1');
    expect(holdsKey('schl%C3%BCssel-eins', latin1)).toBe(true);
    expect(holdsKeyInBasic(`basic ${Buffer.from(`user:${KEY}`).toString('base64')}`, KEY)).toBe(
      true,
    );
    expect(holdsKeyInBasic(`Bearer ${Buffer.from(KEY).toString('base64')}`, KEY)).toBe(false);
    for (const prefix of ['prsr_', 'prso_']) {
      expect(holdsKey(`x ${prefix}${'a1'.repeat(24)}Z`, KEY)).toBe(true);
    }
  });

  test('is removed from a query with its member; a target that cannot be cleaned is refused', () => {
    const clean = (search: string, path = '/a') => withoutKey({ path, search }, KEY)?.search;
    expect(clean('')).toBe('');
    expect(clean('?a=1;b&&c')).toBe('?a=1;b&&c');
    expect(clean(`?a=1&${form}&b=2`)).toBe('?a=1&b=2');
    expect(clean(`?${form}`)).toBe('');
    // Two members that contain the key only together.
    expect(clean('?k=sk/live%2Bof="the"+custom=er&1')).toBeUndefined();
    expect(clean('', `/a/${encoded}`)).toBeUndefined();
  });
});
