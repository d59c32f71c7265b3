import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accountIdOf,
  newAccountPublicId,
  operationId,
  parseOperationId,
  parseUuidId,
  uuidId,
} from '../../src/ledger/operations/ids.ts';

const numbers = fc.bigInt(1n, 2n ** 63n - 1n);

describe('ids', () => {
  test('an operation id leads back to its account and number', () => {
    fc.assert(
      fc.property(numbers, (number) => {
        const account = accountIdOf(newAccountPublicId());
        const id = operationId('chg', account, number);
        expect(id).toMatch(/^chg_[0-9a-hjkmnp-tv-z]{39}$/);
        expect(parseOperationId('chg', id)).toEqual({ account, number });
        expect(parseOperationId('grt', id)).toBeUndefined();
      }),
    );
  });

  test('there is one text for each id', () => {
    const id = operationId('chg', accountIdOf('ab'.repeat(32)), 1n);
    expect(parseOperationId('chg', id.toUpperCase())).toBeUndefined();
    expect(parseOperationId('chg', `${id}0`)).toBeUndefined();
    const last = id.at(-1) ?? '';
    for (const other of '0123456789abcdefghjkmnpqrstvwxyz') {
      if (other === last) continue;
      const changed = parseOperationId('chg', id.slice(0, -1) + other);
      if (changed)
        expect(operationId('chg', changed.account, changed.number)).toBe(id.slice(0, -1) + other);
    }
  });

  test('a number below 1 names nothing', () => {
    const account = accountIdOf('00'.repeat(32));
    expect(parseOperationId('chg', `chg_${'0'.repeat(39)}`)).toBeUndefined();
    expect(parseOperationId('chg', operationId('chg', account, 2n ** 63n - 1n))).toBeDefined();
  });

  test('a key id leads back to its UUID', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        expect(parseUuidId('key', uuidId('key', uuid))).toBe(uuid);
        expect(parseUuidId('opk', uuidId('key', uuid))).toBeUndefined();
      }),
    );
  });

  test.each(['', 'chg_', 'chg_il0o', 'chg_\u0000', 'CHG_0', 'key_../..'])('%j is no id', (text) => {
    expect(parseOperationId('chg', text)).toBeUndefined();
    expect(parseUuidId('key', text)).toBeUndefined();
  });
});
