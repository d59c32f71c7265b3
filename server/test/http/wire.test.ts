import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeApi } from '../../src/http/server.ts';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let node: Server;
let key: string;
let account: string;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl, PURSER_METRICS_TOKEN: 'secret-token' });
  key = await newOperatorKey(db);
  account = await newFundedAccount(node.url, key, ['1']);
});

afterAll(async () => {
  await node.end();
});

const OPENAPI = new URL('../../../openapi/openapi.json', import.meta.url);

/** Sends raw bytes. Resolves with everything that comes until the connection ends. */
function sendRaw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(new URL(node.url).port), '127.0.0.1');
    let received = '';
    socket.setEncoding('utf8');
    socket.on('data', (piece) => {
      received += piece;
    });
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
    socket.write(text);
  });
}

const post = (body: string, headers: Record<string, string> = {}) =>
  fetch(`${node.url}/v1/accounts`, {
    method: 'POST',
    body,
    headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
  });

describe('a request that is refused before its route', () => {
  test.each<[string, () => Promise<Response>, number, string]>([
    ['bad JSON', () => post('{"kind":'), 400, 'invalid_json'],
    ['an empty body', () => post(''), 400, 'invalid_json'],
    [
      'another content type',
      () => post('a=1', { 'content-type': 'text/plain' }),
      415,
      'unsupported_media_type',
    ],
    ['a body above 64 KiB', () => post(`"${'x'.repeat(70_000)}"`), 413, 'body_too_large'],
    ['an unknown path', () => fetch(`${node.url}/nowhere`), 404, 'not_found'],
    ['a path with bad escapes', () => fetch(`${node.url}/%zz`), 400, 'malformed_request'],
    [
      'a long URL',
      () => fetch(`${node.url}/v1/accounts?external_id=${'x'.repeat(3_000)}`),
      414,
      'url_too_long',
    ],
  ])('%s has its status, JSON and a request id', async (_, send, status, code) => {
    const answer = await send();
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.headers.get('x-request-id')).toBeTruthy();
    const body = await answer.json();
    expect(body).toMatchObject({ code, detail: expect.any(String) });
  });

  test('bytes that are no HTTP, and headers that are too large, get JSON too', async () => {
    const malformed = await sendRaw('this is no HTTP\r\n\r\n');
    expect(malformed).toMatch(/^HTTP\/1.1 400 /);
    expect(malformed).toContain('"code":"malformed_request"');
    const large = await sendRaw(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(large).toMatch(/^HTTP\/1.1 431 /);
    expect(large).toContain('"code":"headers_too_large"');
  });

  test('the caller is judged before the shape, the kind of a key before its scopes', async () => {
    const bad = await post('{"nonsense":1}', { 'x-api-key': 'unknown' });
    expect(bad.status).toBe(401);
    const made = await call('POST', `${node.url}/v1/accounts/${account}/api_keys`, {
      key,
      body: {},
    });
    const customer = String(attributesOf(made, 201)['key']);
    const asked = await call('GET', `${node.url}/v1/accounts`, { key: customer });
    expect([asked.status, JSON.parse(asked.body).code]).toEqual([403, 'operator_key_required']);
  });
});

describe('accounts', () => {
  test('are found by their external id, which is unique', async () => {
    const body = JSON.stringify({ kind: 'individual', name: 'Ada', external_id: 'user-7' });
    const first = JSON.parse(await (await post(body)).text());
    const again = await post(body);
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({
      code: 'external_id_taken',
      account: first.data.id,
    });
    const found = await call('GET', `${node.url}/v1/accounts?external_id=user-7`, { key });
    expect(JSON.parse(found.body).data).toEqual([first.data]);
  });

  test('refuse operator words as scopes of customer keys, and an expiry in the past', async () => {
    for (const [body, words] of [
      [{ scopes: ['ledger:write'] }, 'ledger:write'],
      [{ expires_at: '2020-01-01T00:00:00Z' }, 'expires_at'],
      [{ expires_at: '2040-01-01T00:00:00.0001Z' }, 'expires_at'],
    ] as const) {
      const url = `${node.url}/v1/accounts/${account}/api_keys`;
      const answer = await call('POST', url, { key, body });
      expect(answer.status).toBe(422);
      expect(JSON.parse(answer.body).detail).toContain(words);
    }
  });

  test('may be charged below zero as far as their overdraft goes', async () => {
    const own = await newFundedAccount(node.url, key, ['1']);
    const charge = (idempotencyKey: string) =>
      call('POST', `${node.url}/v1/charges`, {
        key,
        idempotencyKey,
        body: { account: own, amount: '1.5' },
      });
    expect((await charge('o1')).status).toBe(402);
    await call('PATCH', `${node.url}/v1/accounts/${own}`, {
      key,
      body: { overdraft_limit: '0.5' },
    });
    expect(attributesOf(await charge('o2'), 201)).toMatchObject({ available: '-0.5' });
    expect((await charge('o3')).status).toBe(402);
  });
});

describe('the requests of machines', () => {
  test('are answered: health, readiness, metrics with their token', async () => {
    expect((await call('GET', `${node.url}/healthz`)).status).toBe(200);
    expect((await call('GET', `${node.url}/readyz`)).status).toBe(200);
    expect((await call('GET', `${node.url}/metrics`)).status).toBe(401);
    const metrics = await fetch(`${node.url}/metrics`, {
      headers: { authorization: 'Bearer secret-token' },
    });
    expect(metrics.status).toBe(200);
    const text = await metrics.text();
    for (const name of [
      'purser_http_requests_total',
      'purser_http_request_duration_seconds',
      'purser_ledger_batch_operations',
      'purser_ledger_queue_length',
      'purser_ledger_commits_total',
      'purser_ledger_batches_run_again_total',
      'purser_ledger_refusals_total',
    ]) {
      expect(text).toContain(name);
    }
    expect(text).not.toContain(account);
    expect(text).not.toContain('prs');
  });
});

describe('the OpenAPI document', () => {
  test('is served, and is the committed one (update it with `npm run openapi`)', async () => {
    const committed = readFileSync(OPENAPI, 'utf8');
    expect(`${await describeApi()}\n`).toBe(committed);
    const served = await call('GET', `${node.url}/openapi.json`);
    expect(`${served.body}\n`).toBe(committed);
  });

  test('names an operation, a key and its errors for every route', () => {
    const { paths } = JSON.parse(readFileSync(OPENAPI, 'utf8'));
    const operations: Record<string, unknown>[] = Object.values(paths).flatMap((path) =>
      Object.values(path as Record<string, Record<string, unknown>>),
    );
    expect(operations.length).toBeGreaterThan(14);
    for (const operation of operations) {
      expect(operation).toMatchObject({ operationId: expect.any(String), security: [{}, {}] });
      expect(Object.keys(operation['responses'] as object)).toEqual(
        expect.arrayContaining(['401', '403', '429', '500', '503']),
      );
    }
  });

  test('gives each status all the bodies that its errors have', () => {
    const { paths } = JSON.parse(readFileSync(OPENAPI, 'utf8'));
    const bodiesOf = (path: string, status: string): string[] => {
      const { schema } = paths[path].post.responses[status].content['application/json'];
      const schemas: { $ref: string }[] = schema.anyOf ?? [schema];
      return schemas.map(({ $ref }) => $ref.replace('#/components/schemas/', ''));
    };
    for (const path of ['/v1/charges', '/v1/holds']) {
      expect(bodiesOf(path, '402').sort()).toEqual(['InsufficientCredits', 'SpendLimitReached']);
      expect(bodiesOf(path, '409')).toEqual(['Error']);
    }
    expect(bodiesOf('/v1/holds/{id}/capture', '409')).toEqual(['Ended']);
    expect(bodiesOf('/v1/holds/{id}/capture', '402')).toEqual(['InsufficientCredits']);
  });
});
