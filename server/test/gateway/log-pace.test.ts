import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogPace } from '../../src/log-pace.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('each kind of failure is logged once a second', () => {
  const pace = new LogPace();
  expect(['a', 'a', 'b', 'a'].map((kind) => pace.isDue(kind))).toEqual([true, false, true, false]);
  vi.advanceTimersByTime(999);
  expect(pace.isDue('a')).toBe(false);
  vi.advanceTimersByTime(1);
  expect(['a', 'a'].map((kind) => pace.isDue(kind))).toEqual([true, false]);
});
