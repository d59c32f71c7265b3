import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { type Counted, countEvents } from '../../src/gateway/answers.ts';

/** Passes a text through in pieces of so many bytes; tells what came out and what was counted. */
async function passed(text: string, pieceBytes: number, countEventWith: string | null = 'usage') {
  let counted: Counted | undefined;
  const counting = countEvents(countEventWith, 1_000, async (found) => {
    counted = found;
  });
  const bytes = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, index) =>
    bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  );
  const out = await buffer(Readable.from(pieces).pipe(counting));
  return { out: out.toString(), counted };
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
  ])('with %s are passed on as they are and counted', async (_, text) => {
    const { out, counted } = await passed(text, pieceBytes);
    expect(out).toBe(text);
    expect(counted).toEqual(COUNTED);
  });

  test.each([
    ['without the member', 'data: {"n":1}\n\n'],
    ['without data', ': nothing\n\n'],
    ['that are empty', ''],
  ])('%s cannot be counted', async (_, text) => {
    expect((await passed(text, pieceBytes)).counted).toEqual({ kind: 'answer_malformed' });
  });

  test('are passed on whole though one is too large to be kept', async () => {
    const text = `data: ${'x'.repeat(2_000)}\n\ndata: ${USAGE}\n\n`;
    const { out, counted } = await passed(text, pieceBytes);
    expect(out).toBe(text);
    expect(counted).toEqual({ kind: 'answer_too_large' });
  });

  test('are counted by the last that is JSON where no member is named', async () => {
    const text = `data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n`;
    const { counted } = await passed(text, pieceBytes, null);
    expect(counted).toEqual({ kind: 'countable', answer: { n: 2 } });
  });
});
