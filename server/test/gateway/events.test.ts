import { describe, expect, test } from 'vitest';
import { type Counted, EventMeter } from '../../src/gateway/answers.ts';
import type { Route } from '../../src/pricing/price-book.ts';

/** What is counted of a text that comes in pieces of so many bytes. */
function counted(
  text: string,
  pieceBytes: number,
  countEventWith: string | null = 'usage',
): Counted {
  const meter = new EventMeter({ countEventWith, meteringBufferBytes: 1_000 } as Route);
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    meter.feed(bytes.subarray(from, from + pieceBytes));
  }
  return meter.end();
}

const USAGE = '{"usage":{"output":7},"text":"é"}';
const COUNTED = { kind: 'countable', answer: { usage: { output: 7 }, text: 'é' } };

/** As the HTML standard lets a stream of events be written (§9.2.6). */
describe.each([1, 3, 1_000])('events in pieces of %d bytes', (pieceBytes) => {
  test.each([
    ['line feeds', `data: {"n":1}\n\ndata: ${USAGE}\n\ndata: [DONE]\n\n`],
    ['carriage returns and line feeds', `data: {"n":1}\r\n\r\ndata: ${USAGE}\r\n\r\n`],
    ['carriage returns', `data: {"n":1}\r\rdata: ${USAGE}\r\r`],
    ['a byte order mark', `\ufeffdata: ${USAGE}\n\n`],
    ['no blank after the colon', `data:${USAGE}\n\n`],
    ['other fields and comments', `: hello\nid: 1\nevent: end\ndata: ${USAGE}\nretry: 5\n\n`],
    ['data in several lines', `data: {"usage":{"output":7},\ndata: "text":"é"}\n\n`],
    ['no blank line at the end', `data: ${USAGE}\n`],
    ['no end of the last line', `data: ${USAGE}`],
    ['usage that is null later', `data: ${USAGE}\n\ndata: {"usage":null}\n\n`],
    ['usage in a text later', `data: ${USAGE}\n\ndata: {"said":"\\"usage\\""}\n\n`],
  ])('with %s are counted', (_, text) => {
    expect(counted(text, pieceBytes)).toEqual(COUNTED);
  });

  test.each([
    ['without the member', 'data: {"n":1}\n\n'],
    ['without data', ': nothing\n\n'],
    ['that are empty', ''],
  ])('%s cannot be counted', (_, text) => {
    expect(counted(text, pieceBytes)).toEqual({ kind: 'answer_malformed' });
  });

  test('cannot be counted if one is too large to be kept', () => {
    const text = `data: ${'x'.repeat(2_000)}\n\ndata: ${USAGE}\n\n`;
    expect(counted(text, pieceBytes)).toEqual({ kind: 'answer_too_large' });
  });

  test('are counted by the last that is JSON if no member is named', () => {
    const text = `data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n`;
    expect(counted(text, pieceBytes, null)).toEqual({ kind: 'countable', answer: { n: 2 } });
  });
});
