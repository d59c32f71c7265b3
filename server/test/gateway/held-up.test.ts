import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HttpClient } from '../../src/http/gateway/client.ts';

/**
 * A bound on the time without reading: a client cannot make the upstream disconnect to pay nothing.
 */

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test.each([
  [60_000, 5_900, false],
  [60_000, 6_100, true],
  [3_600_000, 14_900, false],
  [3_600_000, 15_100, true],
])(
  'of %d ms that a call may take, %d ms held up are too many: %s',
  (longestMs, heldUpMs, isTooMany) => {
    const response = Object.assign(new EventEmitter(), { writableNeedDrain: true });
    const client = new HttpClient(
      {} as IncomingMessage,
      response as unknown as ServerResponse,
      longestMs,
    );
    const answer = new Readable({ read: () => {} });
    client.follow(answer);
    answer.emit('pause');
    vi.advanceTimersByTime(heldUpMs);
    expect(client.hasHeldUp).toBe(isTooMany);
    response.emit('drain');
    expect(client.hasHeldUp).toBe(isTooMany);
  },
);
