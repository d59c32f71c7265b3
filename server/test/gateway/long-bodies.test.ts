import { expect, test } from 'vitest';
import { membersOf } from '../../src/gateway/request/members.ts';

/** Bodies of the largest size that a price book may allow. */

const NAMES = { top: new Set(['model']), deep: new Set<string>() };
const TEXT = '\\n'.repeat(10_000_000);

const membersIn = (json: string) =>
  membersOf(NAMES, {
    method: 'POST',
    search: '',
    body: Buffer.from(json),
    contentType: 'application/json',
  });

test('a string with millions of escapes is read like any other', () => {
  const { model, text } = membersIn(`{"model":"small","text":"${TEXT}"}`);
  expect([model, (text as string).length]).toEqual(['small', 10_000_000]);
});

test('a repeated name is found behind such a string', () => {
  expect(() => membersIn(`{"model":"small","text":"${TEXT}","model" : "large"}`)).toThrow(
    'model is twice in one object',
  );
});
