import { describe, expect, test } from 'vitest';
import { flattened, objectsIn, Spelling } from '../../src/pricing/book/spelling.ts';

const spelling = new Spelling(new Set(['research_effort', 'count']), new Set(['urls']));

describe('a name', () => {
  test.each([
    'research_effort',
    'Research_Effort',
    'research.effort',
    'research effort',
    ' research_effort ',
    'research[effort',
    'research_effort[]',
    'research_effort[0][x]',
    'research\0effort',
    'research_effort\0.txt',
    're\u017fearch_effort',
  ])('may be taken for a name of the price: %j', (written) => {
    expect(spelling.meantBy(written, true)).toBe('research_effort');
  });

  test.each(['research-effort', 'effort', 'research_efforts', 'research', 'x[count]', ''])(
    'is another: %j',
    (written) => {
      expect(spelling.meantBy(written, true)).toBeUndefined();
    },
  );

  test('counts further inside only if the price looks for it there', () => {
    const meantAt = (isAtTop: boolean) =>
      ['count', 'Count', 'urls', 'URLs[]'].map((name) => spelling.meantBy(name, isAtTop));
    expect(meantAt(true)).toEqual(['count', 'count', 'urls', 'urls']);
    expect(meantAt(false)).toEqual([undefined, undefined, 'urls', 'urls']);
  });

  test('is flattened as PHP registers it', () => {
    expect(['a.b', 'a b', ' a[b', 'a\0b', 'A_B'].map(flattened)).toEqual(Array(5).fill('a_b'));
    expect(flattened('a[b]')).not.toBe(flattened('a[c]'));
  });
});

test('the objects of a value are found at any depth, without recursion', () => {
  let deep: unknown = { last: 1 };
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  expect([...objectsIn(deep)]).toEqual([{ last: 1 }]);
  expect([...objectsIn(null)]).toEqual([]);
});
