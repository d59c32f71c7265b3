import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseJson } from '../../src/http/input/json.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let node: Server;
let key: string;
let account: string;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  key = await newOperatorKey(db);
  account = await newFundedAccount(node.url, key, ['1000']);
});

afterAll(() => node.end());

/** Charges with this JSON text as metadata. */
async function charge(metadata: string | Buffer, idempotencyKey: string = randomUUID()) {
  const start = Buffer.from(`{"account":"${account}","amount":"1","metadata":`);
  const answer = await fetch(`${node.url}/v1/charges`, {
    method: 'POST',
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      'idempotency-key': idempotencyKey,
    },
    body: Buffer.concat([start, Buffer.from(metadata), Buffer.from('}')]),
  });
  const text = await answer.text();
  return { status: answer.status, text, ...JSON.parse(text) };
}

describe('a number in a body', () => {
  test.each([
    ['a', '{"a":12345678901234567890}'],
    ['a.b.1.c', '{"a":{"b":[1,{"c":1e400}]}}'],
    ['y', '{"x":[1,2],"y":-1E-400}'],
    ['b1', '{"a":"1e400","b\\u0031":0.1000000000000000055511151231257827}'],
    ['a"b', '{"a\\"b":9007199254740993}'],
    ['long', `{"long":1.${'0'.repeat(1_500)}1}`],
  ])(
    'that would be kept as another one is refused by the name metadata.%s',
    async (name, metadata) => {
      const answer = await charge(metadata);
      expect([answer.status, answer.code]).toEqual([422, 'invalid_request']);
      expect(answer.detail).toContain(`metadata.${name} must be a number that`);
    },
  );

  test.each([
    ['{"a":1.50,"b":1e2,"c":-0,"d":0.1,"e":1E+3}', '{"a":1.5,"b":100,"c":0,"d":0.1,"e":1000}'],
    ['{"a":9007199254740992,"b":1e300}', '{"a":9007199254740992,"b":1e+300}'],
    ['{"a":"12345678901234567890"}', '{"a":"12345678901234567890"}'],
    ['[12345678901234567890]', undefined],
  ])('that is the same however it is written is kept: %s', async (metadata, kept) => {
    const answer = await charge(metadata);
    if (kept === undefined) return expect(answer.status).toBe(422);
    expect(answer.text).toContain(`"metadata":${kept}`);
  });

  test('is read exactly or refused, whatever it is', () => {
    const numbers = fc
      .tuple(fc.constantFrom('', '-'), fc.nat(), fc.bigInt(0n, 10n ** 20n), fc.integer())
      .map(([sign, whole, fraction, exponent]) => `${sign}${whole}.${fraction}e${exponent % 330}`);
    fc.assert(
      fc.property(
        fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }).map(String), numbers),
        (number) => {
          const body = Buffer.from(`{"a":[${number}]}`);
          let value: unknown;
          try {
            value = parseJson(body);
          } catch {
            // A refused number must not be one that JavaScript prints unchanged.
            expect(String(Number(number))).not.toBe(number);
            return;
          }
          expect(value).toEqual({ a: [Number(number)] });
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

describe('a body', () => {
  test.each([
    '{"constructor":{"prototype":1}}',
    '{"a":{"constructor":{"prototype":{"b":1}}}}',
    '{"__proto__":{"amount":"9"}}',
    '{"toString":1,"hasOwnProperty":null}',
  ])('may name its members as it likes: %s', async (metadata) => {
    const once = randomUUID();
    const answer = await charge(metadata, once);
    expect([answer.status, answer.text]).toEqual([
      201,
      expect.stringContaining(`"metadata":${metadata}`),
    ]);
    expect((await charge('{}', once)).code).toBe('idempotency_key_reused');
    const found = await call('GET', `${node.url}/v1/charges/${answer.data.id}`, { key });
    expect(found.body).toBe(answer.text);
  });

  test.each(['constructor', '__proto__'])('with the unknown member %s says so', async (name) => {
    const answer = await fetch(`${node.url}/v1/accounts`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: `{"kind":"individual","name":"A","${name}":{"prototype":1}}`,
    });
    expect([answer.status, JSON.parse(await answer.text()).detail]).toEqual([
      422,
      expect.stringContaining(`${name} is not a known member`),
    ]);
  });

  test('that is not UTF-8 is not guessed at', async () => {
    const answer = await charge(
      Buffer.from([...Buffer.from('{"a":"'), 0xe9, ...Buffer.from('"}')]),
    );
    expect([answer.status, answer.code, answer.detail]).toEqual([
      400,
      'invalid_json',
      'The body is not valid UTF-8',
    ]);
  });

  test('may begin with a byte order mark', () => {
    expect(parseJson(Buffer.from('\ufeff{"a":1}'))).toEqual({ a: 1 });
  });
});
