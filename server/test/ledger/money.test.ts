import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCents, LARGEST_AMOUNT, parseCents } from '../../src/ledger/operations/money.ts';

describe('amounts', () => {
  test.each([
    [0n, '0'],
    [1n, '0.000001'],
    [500_000n, '0.5'],
    [11_000_000n, '11'],
    [718_924_500_000n, '718924.5'],
    [LARGEST_AMOUNT, '9223372036854.775807'],
    [-1n, '-0.000001'],
    [-(2n ** 63n), '-9223372036854.775808'],
  ])('%s microcents print as %s cents', (amount, text) => {
    expect(formatCents(amount)).toBe(text);
  });

  test('what is printed is read back exactly', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, LARGEST_AMOUNT), (amount) => {
        expect(parseCents(formatCents(amount))).toBe(amount);
      }),
    );
  });

  test.each([
    '',
    '-1',
    '+1',
    '01',
    '1.',
    '.5',
    '1.0000001',
    '1e3',
    ' 1',
    '1 ',
    '12345678901234',
    '１',
  ])('%j is not an amount', (text) => {
    expect(parseCents(text)).toBeUndefined();
  });

  test('trailing zeros are accepted', () => {
    expect(parseCents('0.500000')).toBe(500_000n);
  });
});
