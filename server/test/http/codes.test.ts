import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authenticateLocally } from '../../src/auth/authentication.ts';
import type { CustomerKeyRead } from '../../src/auth/key-reads.ts';
import { DatabaseUnavailable } from '../../src/db/connection/database.ts';
import type { HttpParts } from '../../src/http/door/parts.ts';
import { ERRORS, type ErrorCode } from '../../src/http/errors/codes.ts';
import { socketErrorHandler } from '../../src/http/errors/socket.ts';
import { buildHttp } from '../../src/http/server.ts';
import { accountIdOf, operationId } from '../../src/ledger/operations/ids.ts';
import type { FailureCode, Outcome } from '../../src/ledger/operations/operations.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
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
  node = await startServer({ DATABASE_URL: db.databaseUrl, PURSER_METRICS_TOKEN: 'secret' });
  key = await newOperatorKey(db);
  account = await newFundedAccount(node.url, key, ['1']);
});

afterAll(() => node.end());

test('each code of the registry is reached by a test', () => {
  const here = new URL('..', import.meta.url);
  const files = readdirSync(here, { recursive: true, encoding: 'utf8' });
  const texts = files
    .filter((file) => file.endsWith('.test.ts') && file !== 'errors.test.ts')
    .map((file) => readFileSync(new URL(file, here), 'utf8'))
    .join('\n');
  const missing = Object.keys(ERRORS).filter((code) => !new RegExp(`['"]${code}['"]`).test(texts));
  expect(missing).toEqual([]);
});

/** The members of the body that the page of a code shows, in their order. */
function membersOnPage(code: ErrorCode): string[] {
  const page = readFileSync(new URL(`../../../docs/errors/${code}.md`, import.meta.url), 'utf8');
  return Object.keys(JSON.parse(/```json\n([\s\S]*?)\n```/.exec(page)?.[1] ?? '{}'));
}

/** The API with some parts of the test's own. The other parts reject every call. */
async function apiWith(parts: Partial<HttpParts>) {
  const unused = new Proxy({}, { get: () => () => Promise.reject(new Error('not asked')) });
  return buildHttp({
    database: unused,
    ledger: unused,
    keys: unused,
    authenticate: authenticateLocally,
    metrics: new Metrics(),
    log: pino({ level: 'silent' }),
    readiness: async () => ({ database: true, migrations: true, clock: true }),
    ...parts,
  } as HttpParts);
}

describe('a request that cannot be answered now gets an error that allows a retry', () => {
  test.each<FailureCode>([
    'overloaded',
    'account_busy',
    'clock_unreliable',
    'database_unavailable',
    'outcome_unknown',
    'stopping',
    'internal_error',
  ])('%s', async (code) => {
    const submit = async (): Promise<Outcome> => ({ kind: 'failed', code });
    const app = await apiWith({ ledger: { submit, advance: submit } });
    const { status, retryAfterS } = ERRORS[code] as { status: number; retryAfterS?: number };
    const requests = [
      { url: '/v1/charges', payload: { account: 'a'.repeat(64), amount: '1' } },
      { url: '/v1/holds', payload: { account: 'a'.repeat(64), amount: '1', expires_in_s: 1 } },
    ];
    for (const request of requests) {
      const headers = { 'idempotency-key': 'k' };
      const answer = await app.inject({ method: 'POST', headers, ...request });
      expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
      expect(Object.keys(answer.json())).toEqual(membersOnPage(code));
      const retryAfter = retryAfterS === undefined ? undefined : String(retryAfterS);
      expect(answer.headers['retry-after']).toBe(retryAfter);
    }
    await app.close();
  });

  test('a batch of authorizations is answered when none of its items is under way', async () => {
    let isDone = false;
    const submit = async ({ amount }: { amount?: bigint }): Promise<Outcome> => {
      if (amount === 1_000_000n) return { kind: 'failed', code: 'overloaded' };
      await new Promise((resolve) => setTimeout(resolve, 100));
      isDone = true;
      return { kind: 'failed', code: 'account_busy' };
    };
    const key: CustomerKeyRead = {
      isValid: true,
      principal: {
        kind: 'customer',
        apiKeyId: '00000000-0000-0000-0000-000000000001',
        keySecret: '0'.repeat(64),
        accountPublicId: 'a'.repeat(64),
        accountStatus: 'active',
        scopes: ['search'],
      },
      balance: { available: 0n, overdraftLimit: 0n },
    };
    const app = await apiWith({
      ledger: { submit, advance: submit } as HttpParts['ledger'],
      keys: { customerKey: async () => key, operatorKey: async () => undefined },
    });
    const item = { api_key: 'k', scope: 'search', idempotency_key: 'k' };
    const items = [item, { ...item, amount: '1' }, { ...item, amount: '2' }];
    const url = '/v1/authorizations/batch';
    const answer = await app.inject({ method: 'POST', url, payload: { items } });
    expect([answer.statusCode, isDone, answer.headers['retry-after']]).toEqual([503, true, '1']);
    expect(answer.json()).toEqual({ code: 'overloaded', detail: ERRORS.overloaded.detail });
    await app.close();
  });

  test.each(['database', 'migrations', 'clock'])(
    'not_ready says that %s is missing',
    async (name) => {
      const readiness = { database: true, migrations: true, clock: true, [name]: false };
      const app = await apiWith({ readiness: async () => readiness });
      const answer = await app.inject('/readyz');
      expect([answer.statusCode, answer.json()]).toEqual([
        503,
        { detail: 'The server is not ready', code: 'not_ready', ...readiness },
      ]);
      expect(Object.keys(answer.json())).toEqual(membersOnPage('not_ready'));
      await app.close();
    },
  );

  test('database_unavailable answers a key that cannot be looked up', async () => {
    const authenticate = async () => Promise.reject(new DatabaseUnavailable('away'));
    const app = await apiWith({ authenticate });
    const answer = await app.inject('/v1/billing/account_balance');
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'database_unavailable']);
    await app.close();
  });

  test('request_timeout ends a connection whose request does not arrive', async () => {
    const handle = socketErrorHandler(
      () => 'id',
      () => {},
    );
    const server = createServer((socket) => {
      const error = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
      handle(error as never, socket as never);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const answer = await call('GET', `http://127.0.0.1:${port}/`);
    server.close();
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([408, 'request_timeout']);
  });
});

describe('the caller and the request', () => {
  const charge = (idempotencyKey?: string) =>
    fetch(`${node.url}/v1/charges`, {
      method: 'POST',
      headers: {
        'x-api-key': key,
        'content-type': 'application/json',
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      },
      body: JSON.stringify({ account, amount: '0.1' }),
    });

  test.each<[string, () => Promise<Response>, ErrorCode]>([
    ['no key', () => fetch(`${node.url}/v1/accounts`), 'api_key_required'],
    ['no Idempotency-Key', () => charge(), 'idempotency_key_missing'],
    ['a blank in it', () => charge('a b'), 'idempotency_key_invalid'],
    ['256 characters of it', () => charge('x'.repeat(256)), 'idempotency_key_invalid'],
    ['metrics without their token', () => fetch(`${node.url}/metrics`), 'metrics_token_required'],
  ])('%s is refused by name', async (_, send, code) => {
    const answer = await send();
    expect(answer.status).toBe(ERRORS[code].status);
    const body = (await answer.json()) as object;
    expect(body).toMatchObject({ code });
    expect(Object.keys(body)).toEqual(membersOnPage(code));
  });

  test.each<[ErrorCode, 'hld' | 'chg' | 'grt', string, string, object]>([
    ['hold_not_found', 'hld', '/v1/holds/:id/capture', 'POST', { amount: '1' }],
    ['hold_not_found', 'hld', '/v1/holds/:id/void', 'POST', {}],
    ['charge_not_found', 'chg', '/v1/charges/:id/reverse', 'POST', { reason: 'r' }],
    ['grant_not_found', 'grt', '/v1/grants/:id/void', 'POST', { reason: 'r' }],
    ['grant_not_found', 'grt', '/v1/grants/:id', 'PATCH', { expires_at: null }],
  ])(
    '%s is what an id of an account that is not there gets',
    async (code, prefix, path, method, body) => {
      const id = operationId(prefix, accountIdOf('ab'.repeat(32)), 1n);
      const url = `${node.url}${path.replace(':id', id)}`;
      const answer = await call(method, url, { key, body, idempotencyKey: path });
      expect([answer.status, JSON.parse(answer.body)]).toEqual([
        404,
        { detail: ERRORS[code].detail, code },
      ]);
    },
  );

  test('a balance above the largest amount is amount_too_large, and nothing is granted', async () => {
    const rich = await newFundedAccount(node.url, key, ['9223372036854.775807']);
    const grants = `${node.url}/v1/accounts/${rich}/grants`;
    const more = await call('POST', grants, {
      key,
      body: { amount: '0.000001' },
      idempotencyKey: 'more',
    });
    expect([more.status, JSON.parse(more.body)]).toEqual([
      422,
      { detail: ERRORS.amount_too_large.detail, code: 'amount_too_large' },
    ]);
    expect(JSON.parse((await call('GET', grants, { key })).body).data).toHaveLength(1);
  });

  test('a hash that is another account’s key is api_key_taken, without naming it', async () => {
    const other = await newFundedAccount(node.url, key, []);
    const body = { sha256: 'ab'.repeat(32) };
    const importTo = (to: string) =>
      call('POST', `${node.url}/v1/accounts/${to}/api_keys`, { key, body });
    expect((await importTo(account)).status).toBe(201);
    const taken = await importTo(other);
    expect([taken.status, JSON.parse(taken.body).code]).toEqual([409, 'api_key_taken']);
    expect(taken.body).not.toContain(account);
  });

  test('an operator key that is not there is operator_key_not_found, on the machine itself', async () => {
    const app = await apiWith({ local: true, database: db.database });
    const answer = await app.inject({
      method: 'DELETE',
      url: `/v1/operator_keys/opk_${'0'.repeat(26)}`,
    });
    expect([answer.statusCode, answer.json().code]).toEqual([404, 'operator_key_not_found']);
    await app.close();
  });

  test('the 10001st open hold is too_many_holds, the 1001st live grant too_many_grants', async () => {
    const full = await newFundedAccount(node.url, key, ['5']);
    await db.query(
      'update balances b set open_holds = 10000 from accounts a where a.id = b.account_id and a.public_id = $1',
      [full],
    );
    const post = (path: string, body: object) =>
      call('POST', `${node.url}${path}`, { key, body, idempotencyKey: path });
    const hold = await post('/v1/holds', { account: full, amount: '1', expires_in_s: 5 });
    expect([hold.status, JSON.parse(hold.body).code]).toEqual([409, 'too_many_holds']);
    await db.query(
      `insert into grants (account_id, number, category, book, priority, amount, remaining,
                           effective_at, started, live)
       select a.id, n, 'paid', 'funding', 50, 1, 1, now(), true, true
       from accounts a cross join generate_series(2, 1000) as n where a.public_id = $1`,
      [full],
    );
    const grant = await post(`/v1/accounts/${full}/grants`, { amount: '1' });
    expect([grant.status, JSON.parse(grant.body).code]).toEqual([409, 'too_many_grants']);
  });
});
