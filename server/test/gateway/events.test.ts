import { describe, expect, test } from 'vitest';
import { EventMeter } from '../../src/gateway/upstream/answers.ts';
import { costAfter, costBefore } from '../../src/pricing/cost.ts';
import { routeOf, textWith } from '../pricing/books.ts';

/** The metering of a stream of events as it passes. */

const OUTPUT =
  '      - {per: output, cents: "1", count: answer.usage.output, at_most: 100, event: usage}';

/**
 * The quantities of a stream that comes in chunks of `pieceBytes`, or the reason why it has none.
 */
async function metered(
  text: string,
  { pieceBytes = 1_000, price = OUTPUT, more = '', request = {} as object } = {},
) {
  const route = routeOf(textWith(price, `    metering_buffer_bytes: 1100\n${more}`));
  const before = await costBefore(route, request);
  const meter = new EventMeter(route, before);
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    meter.feed(bytes.subarray(from, from + pieceBytes));
  }
  const counted = meter.end();
  if (counted.kind !== 'countable') return counted.kind;
  const { calls: _, ...quantities } = (await costAfter(route, counted.answer, before)).cost
    .quantities;
  return quantities;
}

const USAGE = '{"usage":{"output":7},"text":"é"}';

/** The syntax of event streams in the HTML standard (§9.2.6). */
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
    ['usage that is null before', `data: {"usage":null}\n\ndata: ${USAGE}\n\n`],
    ['usage that is null later', `data: ${USAGE}\n\ndata: {"usage" : null}\n\n`],
    ['usage that is null in it too', `data: {"a":{"usage":null},"usage":{"output":7}}\n\n`],
    ['usage in a text later', `data: ${USAGE}\n\ndata: {"said":"\\"usage\\""}\n\n`],
    ['usage deeper later', `data: ${USAGE}\n\ndata: {"said":{"usage":{"output":8}}}\n\n`],
    ['a comment that looks like data', `data: ${USAGE}\n\n: data: {"usage":{"output":9}}\n\n`],
    ['a field that looks like data', `data: ${USAGE}\n\ndata2: {"usage":{"output":9}}\n\n`],
  ])('with %s are counted', async (_, text) => {
    expect(await metered(text, { pieceBytes })).toEqual({ output: '7' });
  });

  test.each([
    ['without the member', 'data: {"n":1}\n\n'],
    ['without data', ': nothing\n\n'],
    ['that are empty', ''],
    ['with a broken one', 'event: usage\ndata: {"usage":{"output":7}\n\n'],
    ['nested too deeply', `data: {"usage":${'['.repeat(505)}${']'.repeat(505)}}\n\n`],
  ])('%s cannot be counted', async (_, text) => {
    expect(await metered(text, { pieceBytes })).toBe('answer_malformed');
  });

  test('cannot be counted when one is larger than the buffer', async () => {
    const text = `data: ${'x'.repeat(2_000)}\n\ndata: ${USAGE}\n\n`;
    expect(await metered(text, { pieceBytes })).toBe('answer_too_large');
  });

  test('are counted in the last JSON event if no event is named', async () => {
    const price = '      - {per: n, cents: "1", count: answer.n, at_most: 100}';
    const text = `data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n`;
    expect(await metered(text, { pieceBytes, price })).toEqual({ n: '2' });
  });
});

describe('a price of several events', () => {
  const PRICE = `      - per: input
        cents: "1"
        count: '(answer.message ? answer.message : answer).usage.input_tokens'
        event: message_start
        at_most: 100
      - {per: output, cents: "1", count: answer.usage.output_tokens, event: message_delta, at_most: 100}`;
  const STREAM = `event: message_start
data: {"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}

event: content_block_delta
data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"\\"message_delta\\""}}

event: message_delta
data: {"type":"message_delta","delta":{},"usage":{"output_tokens":5}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

`;

  const padded = (length: number) =>
    STREAM.replaceAll('"usage"', `"more":"${'x'.repeat(length)}","usage"`);

  test('counts each part in the last event of its type', async () => {
    expect(await metered(STREAM, { price: PRICE })).toEqual({ input: '25', output: '15' });
  });

  test('needs no field event beside the type, nor a type beside the field', async () => {
    const withoutFields = STREAM.replaceAll(/^event: .*\n/gm, '');
    expect(await metered(withoutFields, { price: PRICE })).toEqual({ input: '25', output: '15' });
    const withoutTypes = STREAM.replaceAll(/"type":"message_\w+",?/g, '');
    expect(await metered(withoutTypes, { price: PRICE })).toEqual({ input: '25', output: '15' });
  });

  test('counts in several events at once, of which the later names win', async () => {
    const names = '    count_event_with: [message_start, message_delta]\n';
    const parts = ['input_tokens', 'output_tokens'].map(
      (name) =>
        `      - {per: ${name}, cents: "1", count: "${`[answer.usage.${name}, answer.message.usage.${name}][0]`}", at_most: 100}`,
    );
    const price = parts.join('\n');
    const counted = { input_tokens: '25', output_tokens: '15' };
    expect(await metered(STREAM, { price, more: names })).toEqual(counted);
    const both = STREAM.replaceAll('"output_tokens":15', '"output_tokens":15,"input_tokens":30');
    expect(await metered(both, { price, more: names })).toEqual({ ...counted, input_tokens: '30' });
    const missing = STREAM.replaceAll('message_start', 'other');
    expect(await metered(missing, { price, more: names })).toBe('answer_malformed');
  });

  test('cannot be counted if one of them is missing', async () => {
    for (const event of ['message_start', 'message_delta']) {
      const without = STREAM.replaceAll(event, 'other');
      expect(await metered(without, { price: PRICE })).toBe('answer_malformed');
    }
  });

  test('keeps at most one buffer for all of them together', async () => {
    const large = padded(600);
    expect(await metered(large, { price: PRICE })).toBe('answer_too_large');
    // The meter keeps only the last event of each name.
    const often = STREAM + padded(300).repeat(5);
    expect(await metered(often, { price: PRICE })).toEqual({ input: '25', output: '15' });
  });
});

describe('a price of each event', () => {
  const PRICE = `      - per: results
        cents: "1"
        each_event: results
        count: $count(answer.results[size >= $$.request.least])
        at_most: 100`;
  const event = (...sizes: number[]) =>
    `data: ${JSON.stringify({ results: sizes.map((size) => ({ size })) })}\n\n`;

  test('adds up its counts, over any number of events', async () => {
    const text = `${event(1, 2, 3)}data: {"n":1}\n\n${event()}${event(2)}data: [DONE]\n\n`;
    const options = { price: PRICE, request: { least: 2 } };
    expect(await metered(text, options)).toEqual({ results: '3' });
    expect(await metered(text, { ...options, pieceBytes: 1 })).toEqual({ results: '3' });
    expect(await metered(event(2, 1).repeat(500), options)).toEqual({ results: '500' });
  });

  test('is zero without such an event', async () => {
    const options = { price: PRICE, request: { least: 2 } };
    expect(await metered('data: {"n":1}\n\n', options)).toEqual({ results: '0' });
  });

  test.each([
    ['that is not JSON', 'event: results\ndata: none\n\n', 'not JSON'],
    [
      'in which the count fails',
      'data: {"results":[{"size":"many"}]}\n\n',
      'of the same data type',
    ],
    [
      'that takes too many steps',
      `data: {"results":1}\n\n`,
      'more than 10000 steps',
      '($f := function($n) { $n = 0 ? 1 : $f($n - 1) }; $f(1000))',
    ],
  ])('fails for one %s, whatever follows', async (_, text, message, count = '') => {
    const price = count ? PRICE.replace(/count: .*/, `count: '${count}'`) : PRICE;
    const counting = metered(text + event(2), { price, request: { least: 2 } });
    await expect(counting).rejects.toThrow(message);
  });
});

describe('an error event', () => {
  const ERRORS = '    error_event: [error, response.failed]\n';

  test.each([
    ['a member', 'data: {"error":{"message":"overloaded"}}\n\n'],
    ['a type', 'data: {"type":"error","message":"overloaded"}\n\n'],
    ['another type', 'data: {"type":"response.failed","response":{}}\n\n'],
    ['a field', 'event: error\ndata: overloaded\n\n'],
  ])('known by %s ends the count, whatever was counted', async (_, text) => {
    const said = { more: ERRORS };
    expect(await metered(text, said)).toBe('upstream_error_event');
    expect(await metered(`data: ${USAGE}\n\n${text}`, said)).toBe('upstream_error_event');
    const later = `${text}data: ${USAGE}\n\ndata: ${'x'.repeat(2_000)}\n\n`;
    expect(await metered(later, said)).toBe('upstream_error_event');
    expect(await metered(`${text}data: ${USAGE}\n\n`)).toEqual({ output: '7' });
  });

  test.each([
    ['null', 'data: {"error":null}\n\n'],
    ['in a text', 'data: {"delta":"\\"error\\""}\n\n'],
    ['deeper', 'data: {"delta":{"error":"none"}}\n\n'],
    ['of every object', 'data: {"n":1}\n\n'],
  ])('is none where the member is %s', async (_, text) => {
    const more = '    error_event: [error, constructor]\n';
    expect(await metered(`${text}data: ${USAGE}\n\n`, { more })).toEqual({ output: '7' });
  });

  test('is noticed even if nothing of the answer is counted', async () => {
    const fixed = { price: '      - per_call: "1"', more: ERRORS };
    expect(await metered('data: {"error":{}}\n\n', fixed)).toBe('upstream_error_event');
    expect(await metered('data: {"n":1}\n\n', fixed)).toEqual({});
  });
});
