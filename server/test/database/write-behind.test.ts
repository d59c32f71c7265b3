import { expect, test } from 'vitest';
import { WriteBehind } from '../../src/db/write-behind.ts';

/** A `WriteBehind` that records its writes, which fail while `isAway`. */
function recorder() {
  const written: string[][] = [];
  const warnings: string[] = [];
  const state = { isAway: false };
  const rows = new WriteBehind<string>({
    write: async (batch) => {
      if (state.isAway) throw new Error('away');
      written.push([...batch]);
    },
    flushEveryMs: 5,
    subject: 'the rows',
    log: { warn: (_, message) => void warnings.push(message) },
  });
  return { rows, written, warnings, state };
}

test('the newest row of each name is written once', async () => {
  const { rows, written } = recorder();
  rows.add('a', 'first');
  rows.add('b', 'only');
  rows.add('a', 'second');
  await rows.close();
  expect(written).toEqual([['second', 'only']]);
});

test('rows that could not be written wait, and newer ones replace them', async () => {
  const { rows, written, warnings, state } = recorder();
  state.isAway = true;
  rows.add('a', 'first');
  rows.add('b', 'kept');
  await expect.poll(() => warnings).toEqual(['the rows wait to be written']);
  rows.add('a', 'second');
  state.isAway = false;
  await expect.poll(() => written.flat().sort()).toEqual(['kept', 'second']);
  await rows.close();
  expect(warnings).toHaveLength(1);
});

test('rows of a write that fails while it is closed are written once more', async () => {
  const written: string[][] = [];
  let fail: (error: Error) => void = () => {};
  let isFirst = true;
  const rows = new WriteBehind<string>({
    write: (batch) => {
      if (!isFirst) {
        written.push([...batch]);
        return Promise.resolve();
      }
      isFirst = false;
      return new Promise((_, reject) => {
        fail = reject;
      });
    },
    flushEveryMs: 5,
    subject: 'the rows',
    log: { warn: () => {} },
  });
  rows.add('a', 'only');
  await expect.poll(() => isFirst).toBe(false);
  const closed = rows.close();
  fail(new Error('away'));
  await closed;
  expect(written).toEqual([['only']]);
});

test('at most 5,000 rows go into one statement', async () => {
  const { rows, written } = recorder();
  for (let n = 0; n < 12_000; n += 1) rows.add(`${n}`, `${n}`);
  await rows.close();
  expect(written.map(({ length }) => length)).toEqual([5_000, 5_000, 2_000]);
});

test('new names are dropped while 100,000 wait', async () => {
  const { rows, written } = recorder();
  for (let n = 0; n < 100_002; n += 1) rows.add(`${n}`, 'old');
  rows.add('0', 'new');
  await rows.close();
  expect(written.flat()).toHaveLength(100_000);
  expect(written[0]?.[0]).toBe('new');
});
