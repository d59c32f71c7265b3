import { describe, expect, test } from 'vitest';
import { type Part, startParts, stopParts } from '../src/parts.ts';

/** Parts that note each start and stop; `failing` names starts and stops that fail. */
function partsThatNote(notes: string[], ...failing: string[]): Part[] {
  const note = (what: string) => async () => {
    notes.push(what);
    if (failing.includes(what)) throw new Error(what);
  };
  return ['a', 'b', 'c'].map((name) => ({
    name,
    start: note(`start ${name}`),
    stop: note(`stop ${name}`),
  }));
}

const never = new AbortController().signal;

describe('the parts of the process', () => {
  test('start in their order and stop in reverse', async () => {
    const notes: string[] = [];
    const parts = partsThatNote(notes);
    await startParts(parts, never);
    await stopParts(parts);
    expect(notes).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  test('start no further after a failure or an abort', async () => {
    const notes: string[] = [];
    await expect(startParts(partsThatNote(notes, 'start b'), never)).rejects.toThrow('start b');
    await expect(startParts(partsThatNote(notes), AbortSignal.abort())).rejects.toThrow('aborted');
    expect(notes).toEqual(['start a', 'start b']);
  });

  test('all stop, even if some fail, and the failures are named', async () => {
    const notes: string[] = [];
    const stopped = stopParts(partsThatNote(notes, 'stop c', 'stop a'));
    await expect(stopped).rejects.toMatchObject({
      errors: [{ message: 'c did not stop' }, { message: 'a did not stop' }],
    });
    expect(notes).toEqual(['stop c', 'stop b', 'stop a']);
  });
});
