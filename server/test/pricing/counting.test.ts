import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { CountingFailed } from '../../src/pricing/book/price-book.ts';
import { countable } from '../../src/pricing/counting/countable.ts';
import {
  compileCounting,
  constantCounting,
  formatQuantity,
} from '../../src/pricing/counting/counting.ts';
import { ExpressionRefused } from '../../src/pricing/counting/expression.ts';

const count = async (text: string, answer?: unknown, request: unknown = {}) =>
  compileCounting(text, 'answer').count({ request: countable(request), answer: countable(answer) });

/** The refusal of an expression, with its place. */
function refusal(text: string, purpose: 'answer' | 'request' | 'maximum' = 'answer') {
  try {
    compileCounting(text, purpose);
  } catch (error) {
    if (error instanceof ExpressionRefused) return [error.message, error.position, error.cure];
    throw error;
  }
  return 'not refused';
}

describe('a count', () => {
  test.each([
    ['$count(answer.items)', { items: [1, 2, 3] }, 3_000_000n],
    ['$count(answer.items)', { items: 'one' }, 1_000_000n],
    ['$count(answer)', [], 0n],
    ['answer.nothing', {}, 0n],
    ['0.1 + 0.2', {}, 300_000n],
    ['0.0000004', {}, 0n],
    ['0.0000006', {}, 1n],
    ['1000000000000', {}, 1_000_000_000_000_000_000n],
    ['-0', {}, 0n],
    // Null counts as absent, except as an item of a list.
    ['answer.none', { none: null }, 0n],
    ['answer.none ? 1 : 2', { none: null }, 2_000_000n],
    ['$exists(answer.none) ? 1 : 2', { none: null }, 2_000_000n],
    ['$exists(answer.a[0].none) ? 1 : 2', { a: [{ none: null, some: 1 }] }, 2_000_000n],
    ['$count(answer.none)', { none: null }, 0n],
    ['$count(answer.list)', { list: [null, null] }, 2_000_000n],
    ['$count(answer)', null, 0n],
    [
      '$sum(answer.items.($i := size; $i * 2))',
      { items: [{ size: 2 }, { size: 0.25 }] },
      4_500_000n,
    ],
  ])('%s of %j is %s millionths', async (text, answer, millionths) => {
    expect(await count(text, answer)).toBe(millionths);
  });

  test.each([
    ['answer.text', { text: '3' }, 'gave a string'],
    ['answer.flag', { flag: true }, 'gave a boolean'],
    ['answer.items', { items: [1, 2] }, 'gave a list'],
    ['answer', { some: 1 }, 'gave an object'],
    ['$count', {}, 'gave an object'],
    ['answer.size', { size: -1 }, 'gave -1'],
    ['1000000000001', {}, 'not a number from 0 to 1000000000000'],
    ['$number(answer.text)', { text: 'many' }, 'many'],
    ['$error("no usage")', {}, 'no usage'],
    ['answer.items * 2', { items: 'x' }, '"*"'],
  ])('%s of %j fails and says why', async (text, answer, message) => {
    const counting = count(text, answer);
    await expect(counting).rejects.toThrow(CountingFailed);
    await expect(counting).rejects.toThrow(message);
  });

  test('that finds no maximum fails, but one that finds nothing to count is 0', async () => {
    const input = { request: countable({}) };
    expect(await compileCounting('request.pages', 'request').count(input)).toBe(0n);
    await expect(compileCounting('request.pages', 'maximum').count(input)).rejects.toThrow(
      'gave nothing',
    );
  });

  test('of any decimal with six places is exact, as it is printed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 9_000_000_000_000 }), async (millionths) => {
        const value = millionths / 1_000_000;
        expect(await count('answer.size', { size: value })).toBe(BigInt(millionths));
        expect(Number(formatQuantity(BigInt(millionths)))).toBe(value);
      }),
    );
  });

  test('that is a whole number is always the same', async () => {
    const { text, count: always } = constantCounting(20);
    expect([text, await always({ request: undefined })]).toEqual(['20', 20_000_000n]);
  });

  test('does not change its data, and counts the same again', async () => {
    const answer = { items: [{ pages: [1] }, { pages: [2, 3] }], one: [7] };
    const before = JSON.stringify(answer);
    const texts = [
      '$count(answer.items[])',
      '$count(answer.one[])',
      '$sum(answer.items.pages)',
      '$count($append(answer.one, answer.items.pages))',
      '$count(answer.items^(>$count(pages)))',
      '$sum($reverse(answer.one))',
    ];
    const counts = () => Promise.all(texts.map((text) => count(text, answer)));
    const first = await counts();
    expect(await counts()).toEqual(first);
    expect(JSON.stringify(answer)).toBe(before);
  });
});

describe('the bounds of a count', () => {
  test.each([
    ['never ends', '($again := function() { $again() }; $again())'],
    ['never ends, with more each time', '($f := function($n) { $f($n + 1) }; $f(1))'],
    ['goes through a million squared', '$count([1..1000].([1..1000].($ * 2)))'],
    ['goes through a list again and again', '($l := [1..100000]; $sum([1..1000].($sum($l))))'],
    ['doubles a text', '$length($reduce([1..100], function($t, $n) { $t & $t }, "ab"))'],
  ])('end one that %s after 200000 steps', async (_, text) => {
    await expect(count(text)).rejects.toThrow('it takes more than 200000 steps');
  });

  /**
   * Data for quadratic expressions. Without a bound, each takes seconds to minutes, or all memory.
   */
  const lists = (of: number) =>
    Object.fromEntries(Array.from({ length: of }, (_, index) => [`k${index}`, [index]]));
  const equal = Array.from({ length: 2_000 }, (_, index) => ({ a: [index, { b: index }] }));
  test.each([
    ['groups', '$count($keys(answer.items{type: $count($)}))', Array(30_000).fill({ type: 'a' })],
    ['puts lists together', '$count(answer.items.*)', lists(30_000)],
    ['compares', '$count(answer.items[$$.answer.items = $$.answer.items])', equal],
    ['orders', 'answer.items^(size)[0].size', Array(30_000).fill({ size: 1 })],
    ['goes through members', '$count([1..1000].($keys($$.answer.items)))', lists(30_000)],
  ])('end one that %s what is too much', async (_, text, items) => {
    await expect(count(text, { items })).rejects.toThrow('it takes more than 200000 steps');
  });

  test.each([
    ['$sum(answer.items.size)', 100_000, 4_999_950_000n],
    ['$count(answer.items[size])', 30_000, 30_000n],
    ['$max(answer.items.size)', 100_000, 99_999n],
    ['$count(answer.items[kind = "even"])', 20_000, 10_000n],
    ['$count(answer.items.*)', 30_000, 60_000n],
    ['$count(answer.items{kind: $sum(size)}.even)', 3_000, 1n],
  ])('leave %s of %i items', async (text, length, whole) => {
    const items = Array.from({ length }, (_, size) => ({
      size,
      kind: size % 2 === 0 ? 'even' : 'odd',
    }));
    expect(await count(text, { items })).toBe(whole * 1_000_000n);
  });

  test('do not depend on time: a process that was stopped in between counts the same', async () => {
    let now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => {
      now += 60_000;
      return now;
    });
    vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 60_000;
      return now;
    });
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await count('$sum([1..1000].($ * 2))')).toBe(1_001_000_000_000n);
    await expect(count('($f := function() { $f() }; $f())')).rejects.toThrow('200000 steps');
  });

  test("are each evaluation's own, although many run at once", async () => {
    const counting = compileCounting('$sum([1..20000].($ * 2))', 'answer');
    const counts = Array.from({ length: 20 }, () => counting.count({ request: undefined }));
    expect(new Set(await Promise.all(counts))).toEqual(new Set([400_020_000_000_000n]));
  });

  test.each([
    ['calls itself too deep', '($f := function($n) { 1 + $f($n) }; $f(1))', 'Stack overflow'],
    ['makes a long list', '$count([1..100001])', 'maximum sequence length'],
  ])('end one that %s', async (_, text, message) => {
    await expect(count(text)).rejects.toThrow(message);
  });

  test('refuse data that is nested deeper than 500', async () => {
    const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
    expect(await count('$count(answer)', { items: nested(400) })).toBe(1_000_000n);
    for (const depth of [600, 200_000]) {
      await expect(count('$count(answer.**)', nested(depth))).rejects.toThrow('nested deeper');
    }
  });

  test('refuse data that JSONata would take for a function', async () => {
    const disguised = { size: 5, _jsonata_lambda: true };
    await expect(count('answer.size', disguised)).rejects.toThrow('may not be named');
    await expect(count('answer.a[0].size', { a: [disguised] })).rejects.toThrow('may not be named');
    await expect(count('1', {}, { _jsonata_function: true })).rejects.toThrow('may not be named');
  });

  test('let neither prototypes nor the surroundings be seen', async () => {
    for (const text of ['answer.constructor', 'answer.__proto__', 'answer.toString']) {
      expect(await count(text, {})).toBe(0n);
    }
  });
});

describe('an expression', () => {
  test.each([
    ['$eval(answer.text)', '$eval is not allowed', 0],
    ['1 + ($e := $eval; $e(answer.text))', '$eval is not allowed', 11],
    ['answer.items[$eval(text) = 1]', '$eval is not allowed', 13],
    ['answer.text ~> $eval', '$eval is not allowed', 15],
    ['$millis()', '$millis is not allowed: a count must be the same each time', 0],
    ['$random()', '$random is not allowed', 0],
    ['$sort(answer.items)', '$sort is not allowed', 0],
    ['$spread(answer.items)', '$spread is not allowed', 0],
    ['$count($distinct(answer.items))', '$distinct is not allowed', 7],
    ['$count(answer.items[text ~> /a+/])', 'a regular expression is not allowed', 27],
    ['answer ~> |items|{"size": 1}|', 'a transformation |…|…| is not allowed', 11],
    ['$cuont(answer.items)', 'there is no $cuont here', 0],
    ['$count($items)', 'there is no $items here', 7],
    ['count(answer.items)', 'count is not a function', 0],
    ['$count(items)', 'there is no items here, only request and answer', 7],
    ['$sum(answer.a.b) + pages', 'there is no pages here', 19],
    ['$count(', 'Expected ")"', 7],
    ['answer.', 'Unexpected end', 7],
  ])('%s is refused, with the place', (text, message, position) => {
    const found = refusal(text);
    expect(found[0]).toContain(message);
    expect(found[1]).toBe(position);
  });

  test.each([
    ['request.pages', ['pages'], []],
    ['$number(request.count) + request.a.b', ['count', 'a'], ['b']],
    ['$$.request.pages', ['pages'], []],
    ['$length($string([request.messages, request.tools]))', ['messages', 'tools'], []],
    ['request.items[size > 1].(a + b)', ['items'], ['size', 'a', 'b']],
    ['request.items[answer = 1]', ['items'], ['answer']],
    ['request.**.words', [], ['words']],
    ['(request.a ? request.b : request).c', ['a', 'b'], ['c']],
    ['$lookup(request, "n")', [], ['n']],
    ['answer.items[size > 1].kind', [], []],
    ['answer.items[kind = $$.request.kind]', ['kind'], []],
    ['$map(request.items, function($item) { $item.size })', ['items'], ['size']],
    ['($r := request; $r.pages)', [], ['pages']],
    ['request{a: $sum(b)}', [], ['a', 'b']],
  ])('%s looks in a request for %j, and at any depth for %j', (text, top, deep) => {
    const { names } = compileCounting(text, 'answer');
    expect(names).toEqual({ top: new Set(top), deep: new Set(deep) });
  });

  test('gets a cure', () => {
    expect(refusal('$cuont(answer.items)')[2]).toBe('did you mean $count?');
    expect(refusal('count(answer.items)')[2]).toBe('write $count');
    expect(refusal('$count(items)')[2]).toBe('write request.items or answer.items');
  });

  test('that is known before the call cannot speak of the answer', () => {
    for (const purpose of ['request', 'maximum'] as const) {
      expect(refusal('$count(answer.items)', purpose)[0]).toBe(
        'there is no answer here, only request',
      );
    }
  });

  test.each([
    'answer.results.web[contents]',
    'answer.items[size > 1].size',
    'answer.items{kind: $sum(size)}.web',
    'answer.items^(>size)[0].size',
    'answer.items@$item.size#$place.($place)',
    '$map(answer.items, function($item) { $item.size })',
    '(answer.items.size)[0]',
    '($all := $append(answer.web, answer.news); $count($all[contents]))',
    '$$.answer.items',
    'answer.a.%.b',
    '{"a": answer}.a.b',
    'request.pages ? request.pages : 10',
  ])('%s is taken', (text) => {
    expect(refusal(text)).toBe('not refused');
  });
});
