import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { judge } from '../../src/pricing/book/judge.ts';
import { PriceBookSchema } from '../../src/pricing/book/schema.ts';
import { parsePriceBook } from '../../src/pricing/parse.ts';
import { exampleText, problemsOf, SOUND } from './books.ts';

describe('a hostile text', () => {
  test.each([
    ['larger than 1 MiB', `a: ${'x'.repeat(1_048_576)}`, 'larger than 1 MiB'],
    ['nested in brackets', `a: ${'['.repeat(300_000)}`, 'nested too deeply'],
    ['nested in braces', '{a: '.repeat(200_000), 'nested too deeply'],
    ['nested in dashes', '- '.repeat(300_000), 'nested too deeply'],
    ['nested in keys', '? '.repeat(300_000), 'nested too deeply'],
    [
      'of many names',
      Array.from({ length: 90_000 }, (_, i) => `a${i}: 1`).join('\n'),
      'side by side',
    ],
    ['of many items', `a: [${'1,'.repeat(400_000)}]`, 'side by side'],
    [
      'of many mistakes',
      `routes:\n${Array.from({ length: 900 }, (_, i) => ` r${i}: {${Array.from({ length: 100 }, (_, j) => `x${j}: 1`)}}\n`).join('')}`,
      'methods is missing',
    ],
    [
      'of many upstreams that are not there',
      Array.from(
        { length: 990 },
        (_, i) =>
          ` r${i}: {methods: [GET], path: /v/r${i}, scope: a, upstream: u${'x'.repeat(60)}, price: []}\n`,
      ).reduce(
        (text, line) => text + line,
        `upstreams:\n${Array.from({ length: 990 }, (_, i) => ` u${'y'.repeat(50)}${i}: {base_url: "http://x"}\n`).join('')}routes:\n`,
      ),
      'is not one of upstreams',
    ],
    [
      'of aliases that grow',
      ['a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]']
        .concat(
          [...'bcdefgh'].map(
            (name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefg'[index]}`)}]`,
          ),
        )
        .join('\n'),
      'Excessive alias count',
    ],
  ])('%s is refused, and not followed until the test times out', (_, text, message) => {
    expect(problemsOf(text)[0]).toContain(message);
  });

  test('that holds itself is refused', () => {
    expect(problemsOf(`${SOUND}    settlement: &self {upstream_4xx: *self}\n`)[0]).toContain('11:');
    expect(problemsOf('&self\na: *self\n')[0]).toContain('a is not a known member');
  });

  test('of any characters gives problems, never an error', () => {
    const near = fc
      .tuple(fc.nat(SOUND.length), fc.nat(20), fc.string({ unit: 'binary', maxLength: 8 }))
      .map(([from, length, text]) => SOUND.slice(0, from) + text + SOUND.slice(from + length));
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), (text) => {
        const parsed = parsePriceBook(text);
        const problems = 'problems' in parsed ? parsed.problems : [];
        for (const { line, column, message, cure } of problems) {
          expect(line).toBeGreaterThan(0);
          expect(column).toBeGreaterThan(0);
          expect(message).not.toBe('');
          expect(cure).not.toBe('');
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the judge', () => {
  test('agrees with the JSON Schema about every small change of the examples', () => {
    const check = Compile(PriceBookSchema);
    const books = ['you-prices.yaml', 'llm-prices.yaml'].map((name) => parse(exampleText(name)));
    const values = fc.constantFrom<unknown>(null, '', 'x', '0.5', 0.5, 0, 1e9, -1, true, [], {}, [
      'GET',
      'GET',
    ]);
    fc.assert(
      fc.property(
        fc.constantFrom(...books),
        fc.infiniteStream(fc.nat()),
        values,
        fc.boolean(),
        (book, picks, value, isAdded) => {
          const copy = structuredClone(book);
          let at = copy;
          for (const pick of picks) {
            const names = Object.keys(at);
            const name = names[pick % names.length] ?? 'x';
            const inner = at[name];
            if (inner !== null && typeof inner === 'object' && pick % 3 > 0) {
              at = inner;
              continue;
            }
            if (isAdded && !Array.isArray(at)) at['units'] = value;
            else at[name] = value;
            break;
          }
          expect([...judge(PriceBookSchema, copy)].length === 0).toBe(check.Check(copy));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
