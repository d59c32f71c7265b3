import { describe, expect, test } from 'vitest';
import { flattened, objectsIn, spellingOf } from '../../src/pricing/spelling.ts';

const names = { top: new Set(['research_effort', 'count']), deep: new Set<string>() };
const spelling = spellingOf(names).top;

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
    expect(spelling.meantBy(written)).toBe('research_effort');
  });

  test.each(['research-effort', 'effort', 'research_efforts', 'research', 'x[count]', ''])(
    'is another: %j',
    (written) => {
      expect(spelling.meantBy(written)).toBeUndefined();
    },
  );

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
