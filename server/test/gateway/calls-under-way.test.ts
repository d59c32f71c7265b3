import { expect, test } from 'vitest';
import type { Call } from '../../src/gateway/call/call.ts';
import { CallsUnderWay } from '../../src/gateway/calls-under-way.ts';

test('the calls under way are those that were added and not deleted, in any order', () => {
  const under = new CallsUnderWay();
  const stopped: number[] = [];
  const calls = Array.from(
    { length: 8 },
    (_, n) => ({ place: -1, stop: () => stopped.push(n) }) as unknown as Call,
  );
  for (const call of calls) under.add(call);
  const out = [3, 7, 0, 6];
  for (const n of out) expect(under.delete(calls[n] as Call)).toBe(true);
  for (const n of out) expect(under.delete(calls[n] as Call)).toBe(false);
  expect(under.size).toBe(4);
  under.add(calls[7] as Call);
  under.stop();
  expect(stopped.sort()).toEqual([1, 2, 4, 5, 7]);
});

test('a call may end by being stopped', () => {
  const under = new CallsUnderWay();
  let stopped = 0;
  for (let n = 0; n < 5; n += 1) {
    const call = { place: -1 } as unknown as Call;
    call.stop = () => {
      stopped += 1;
      under.delete(call);
    };
    under.add(call);
  }
  under.stop();
  expect([stopped, under.size]).toEqual([5, 0]);
});
