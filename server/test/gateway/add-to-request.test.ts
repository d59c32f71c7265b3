import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withAdded } from '../../src/gateway/request/add-to-request.ts';

/** The members that the gateway sets in the JSON body of a request (`add_to_request`). */

const USAGE = { stream_options: { include_usage: true } };

const added = (body: string, members: Readonly<Record<string, unknown>> = USAGE) =>
  withAdded(Buffer.from(body), { when: null, members }).toString();

describe('members that are added to a request', () => {
  test.each([
    ['{}', '{"stream_options":{"include_usage":true}}'],
    ['{"a":1}', '{"a":1,"stream_options":{"include_usage":true}}'],
    [' {\n "a": 1\n}\n', ' {\n "a": 1\n,"stream_options":{"include_usage":true}}\n'],
    // Objects are merged: the customer's other members stay, and the operator's value wins.
    [
      '{"stream_options":{"other":1,"include_usage":false},"a":1}',
      '{"stream_options":{"other":1,"include_usage":true},"a":1}',
    ],
    ['{"stream_options":{}}', '{"stream_options":{"include_usage":true}}'],
    ['{"stream_options":null}', '{"stream_options":{"include_usage":true}}'],
    ['{"stream_options":[1,{"a":"]"}],"b":2}', '{"stream_options":{"include_usage":true},"b":2}'],
    ['{"stream_options":"a\\"}","b":2}', '{"stream_options":{"include_usage":true},"b":2}'],
    ['{"stream\\u005foptions":0}', '{"stream\\u005foptions":{"include_usage":true}}'],
    [
      '{"stream_options":{"\\u00e9":1}}',
      '{"stream_options":{"\\u00e9":2}}',
      { stream_options: { é: 2 } },
    ],
    // `when` looks at the body's own members only.
    [
      '{"a":{"stream_options":1},"b":"\\"stream_options\\":1"}',
      '{"a":{"stream_options":1},"b":"\\"stream_options\\":1","stream_options":{"include_usage":true}}',
    ],
  ])('make of %s %s', (body, expected, members: object = USAGE) => {
    expect(added(body, { ...members })).toBe(expected);
  });

  test('leave every other byte as it is', () => {
    const body =
      '{"n": 12345678901234567890.10, "e":1E+2,\t"s":"\\u00e9\\/é\u{1f600}", "list":[ 1 ,2]}';
    expect(added(body)).toBe(`${body.slice(0, -1)},"stream_options":{"include_usage":true}}`);
    const broken = Buffer.from([...Buffer.from('{"a":"'), 0xff, 0xfe, ...Buffer.from('"}')]);
    const result = withAdded(broken, { when: null, members: { é: 'é' } });
    expect(result.subarray(0, 9)).toEqual(broken.subarray(0, 9));
    expect(result.subarray(9).toString()).toBe(',"é":"é"}');
  });

  test.each([
    ['{"stream":true}', true],
    ['{"stream" : true , "a":1}', true],
    ['{"stream":false}', false],
    ['{"stream":null}', false],
    ['{"stream":1}', false],
    ['{"stream":"true"}', false],
    ['{"a":{"stream":true}}', false],
    ['{}', false],
  ])('with a condition are added to %s: %s', (body, isAdded) => {
    const result = withAdded(Buffer.from(body), { when: 'stream', members: USAGE }).toString();
    expect(result === body).toBe(!isAdded);
    expect(result.includes('include_usage')).toBe(isAdded);
  });

  test.each(['', ' ', '[]', '[{}]', '"{"', 'null'])(
    'are not added to %j, which is no object',
    (body) => {
      expect(added(body)).toBe(body);
    },
  );

  test('give the same JSON as merged objects', () => {
    const name = fc.constantFrom('a', 'b', 'stream', 'c"', 'é');
    const value = fc.jsonValue({ maxDepth: 2 });
    const object = fc.dictionary(name, fc.oneof(value, fc.dictionary(name, value)));
    const merged = (one: unknown, other: unknown): unknown => {
      if (!isObject(one) || !isObject(other)) return other;
      const result = new Map(Object.entries(one));
      for (const [member, inner] of Object.entries(other)) {
        result.set(member, Object.hasOwn(one, member) ? merged(one[member], inner) : inner);
      }
      // fromEntries makes `__proto__` an own member too.
      return Object.fromEntries(result);
    };
    fc.assert(
      fc.property(object, object, fc.constantFrom(undefined, 1, '\t'), (body, members, indent) => {
        const result = added(JSON.stringify(body, null, indent), members);
        expect(JSON.parse(result)).toEqual(JSON.parse(JSON.stringify(merged(body, members))));
      }),
      { numRuns: 500 },
    );
  });
});

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
