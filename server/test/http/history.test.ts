import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { type Answer, attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

const db = useDatabase();
useServers();
let node: Server;
let operator: string;
let account: string;
let customer: { id: string; key: string };
/** The ids of the charges, oldest first. */
const charges: string[] = [];
let before: string;
let after: string;

interface Resource {
  readonly id: string;
  readonly attributes: Record<string, unknown>;
}

const get = (path: string, key = operator) => call('GET', `${node.url}${path}`, { key });
const ofAccount = (path: string) => `/v1/accounts/${account}/${path}`;

async function page(path: string, key = operator): Promise<{ data: Resource[]; next: string }> {
  const answer = await get(path, key);
  expect(answer.status).toBe(200);
  const { data, links } = JSON.parse(answer.body);
  return { data, next: links.next };
}

async function charge(body: object): Promise<string> {
  const made = await call('POST', `${node.url}/v1/charges`, {
    key: operator,
    idempotencyKey: randomUUID(),
    body: { account, ...body },
  });
  return String(attributesOf(made, 201)['id']);
}

async function newKey(of: string, scopes: string[]): Promise<{ id: string; key: string }> {
  const body = { scopes };
  const made = await call('POST', `${node.url}/v1/accounts/${of}/api_keys`, {
    key: operator,
    body,
  });
  const { id, key } = attributesOf(made, 201);
  return { id: String(id), key: String(key) };
}

/** An instant that no operation shares. Waits until PostgreSQL's clock has passed it. */
async function instant(): Promise<string> {
  const [row] = await db.query<{ at: Date }>(
    `select date_trunc('milliseconds', clock_timestamp()) + interval '1 ms' as at, pg_sleep(0.005)`,
  );
  return row?.at.toISOString() ?? '';
}

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
  operator = await newOperatorKey(db);
  account = await newFundedAccount(node.url, operator, ['100', '20']);
  customer = await newKey(account, ['billing:read', 'search']);
  before = await instant();
  charges.push(await charge({ amount: '1', scope: 'search', api_key_id: customer.id }));
  charges.push(await charge({ amount: '2' }));
  after = await instant();
  charges.push(await charge({ amount: '4', scope: 'search' }));
});

afterAll(async () => {
  await node.end();
});

function expectInvalid({ status, body }: Answer, detail: RegExp): void {
  expect(status).toBe(422);
  expect(JSON.parse(body)).toMatchObject({ code: 'invalid_request' });
  expect(JSON.parse(body).detail).toMatch(detail);
}

describe('lists', () => {
  test('are filtered, and the path of the next page keeps the filter', async () => {
    const filtered = `charges?from=${before}&to=${after}&limit=1`;
    const first = await page(ofAccount(filtered));
    expect(first.data.map(({ id }) => id)).toEqual([charges[1]]);
    const second = await page(first.next);
    expect(second.data.map(({ id }) => id)).toEqual([charges[0]]);
    expect(second.next).toBeNull();
    const idsOf = async (path: string) => (await page(ofAccount(path))).data.map(({ id }) => id);
    expect(await idsOf('charges?scope=search')).toEqual([charges[2], charges[0]]);
    expect(await idsOf(`charges?api_key_id=${customer.id}`)).toEqual([charges[0]]);
    expect(await idsOf('entries?kind=grant')).toHaveLength(2);
    expect(await idsOf(`entries?kind=charge,grant&from=${after}`)).toEqual([`${charges[2]}_1`]);
    expect(await idsOf(`entries?api_key_id=${customer.id}`)).toEqual([`${charges[0]}_1`]);
    expect(await idsOf('grants?status=active')).toHaveLength(2);
    expect(await idsOf('grants?status=ended')).toEqual([]);
  });

  test.each([
    ['charges?from=yesterday', /from must be a time/],
    ['charges?from=2026-02-02T00:00:00Z&to=2026-02-01T00:00:00Z', /from must not be after to/],
    ['charges?api_key_id=key_1', /api_key_id must be/],
    ['charges?api_key=x', /api_key is not a known query parameter/],
    ['entries?kind=charge,nonsense', /kind must be one or more of grant,/],
    ['grants?status=gone', /status must be one of pending, active, ended/],
    ['usage?group_by=week', /group_by must be one or more of day, key, scope/],
    ['usage?cursor=MQ', /cursor is not one of ours/],
    ['statement?from=2026-01-01T00:00:00Z', /to is required/],
    ['statement?from=2026-01-01T00:00:00Z&to=2999-01-01T00:00:00Z', /to must not be in the future/],
    ['statement?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', /from must not be after to/],
    ['balance?at=2999-01-01T00:00:00Z', /at must not be in the future/],
    ['balance?at=now', /at must be a time/],
  ])('refuse %s by name', async (path, detail) => {
    expectInvalid(await get(ofAccount(path)), detail);
  });
});

describe('the past', () => {
  test('is the posted balance at an instant; zero before the account existed', async () => {
    const at = async (time: string) =>
      attributesOf(await get(ofAccount(`balance?at=${time}`)), 200);
    const byCategory = { promotional: '0', overdraft: '0' };
    expect(await at(before)).toEqual({
      id: account,
      at: before,
      posted: '120',
      by_category: { paid: '120', ...byCategory },
    });
    expect((await at(after))['posted']).toBe('117');
    expect(await at('2020-01-01T00:00:00Z')).toMatchObject({
      posted: '0',
      by_category: { paid: '0', ...byCategory },
    });
    const missing = await get(`/v1/accounts/${'f'.repeat(64)}/balance?at=${before}`);
    expect(missing.status).toBe(404);
  });

  test('is stated in sums, which lead from the opening to the closing balance', async () => {
    const statement = await get(ofAccount(`statement?from=${before}&to=${after}`));
    expect(attributesOf(statement, 200)).toEqual({
      id: account,
      from: before,
      to: after,
      opening: { posted: '120', by_category: { paid: '120', promotional: '0', overdraft: '0' } },
      sums: [{ kind: 'charge', book: 'revenue', category: 'paid', amount: '-3', entries: 2 }],
      closing: { posted: '117', by_category: { paid: '117', promotional: '0', overdraft: '0' } },
    });
  });

  test('is stated line by line as CSV, for people who keep books', async () => {
    const path = ofAccount(`statement?from=${before}&to=${after}&format=csv`);
    const { status, headers, body } = await get(path);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(headers['x-request-id']).toBeTruthy();
    const { data } = await page(ofAccount('entries?kind=charge&limit=3'));
    const lineOf = ({ attributes: entry }: Resource) =>
      `${entry['created_at']},${entry['operation']},charge,1,revenue,paid,${entry['grant']},${entry['amount']},${entry['posted_after']},operator_key,${(entry['actor'] as { id: string }).id}`;
    expect(body.split('\r\n')).toEqual([
      'at,operation,kind,line,book,category,grant,amount,posted,actor_type,actor_id',
      `${before},,opening,,,,,,120,,`,
      ...data.slice(1).reverse().map(lineOf),
      `${after},,closing,,,,,,117,,`,
      '',
    ]);
  });

  test('is summed up as usage by day, key, scope and route', async () => {
    const day = new Date().toISOString().slice(0, 10);
    const attributes = async (query: string) =>
      (await page(ofAccount(`usage${query}`))).data.map((line) => line.attributes);
    const line = (charged: string, count = 1) => ({
      charges: count,
      charged,
      reversed: '0',
      net: charged,
      quantities: {},
    });
    expect(await attributes('')).toEqual([
      { day, api_key_id: customer.id, scope: 'search', route: null, ...line('1') },
      { day, api_key_id: null, scope: 'search', route: null, ...line('4') },
      { day, api_key_id: null, scope: null, route: null, ...line('2') },
    ]);
    expect(await attributes('?group_by=scope')).toEqual([
      { scope: 'search', ...line('5', 2) },
      { scope: null, ...line('2') },
    ]);
    expect(await attributes(`?group_by=day&from=${before}&to=${after}`)).toEqual([
      { day, ...line('3', 2) },
    ]);
    const first = await page(ofAccount('usage?limit=2'));
    const second = await page(first.next);
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual([
      `${day}/${customer.id}/search/-`,
      `${day}/-/search/-`,
      `${day}/-/-/-`,
    ]);
  });
});

/** Makes the operator's answer the customer's: without the operator keys' ids. */
const asCustomer = (body: string) =>
  body.replaceAll(/\{"type":"operator_key","id":"opk_\w+"\}/g, '{"type":"operator","id":null}');

describe('a customer', () => {
  test.each(['grants', 'entries', 'charges', 'usage'])(
    'reads the %s of their account as the operator does, but not by which of the operator’s keys',
    async (what) => {
      const own = await get(`/v1/billing/${what}?limit=2`, customer.key);
      expect(own.status).toBe(200);
      const operators = await get(ofAccount(`${what}?limit=2`));
      const paths = (text: string) => text.replaceAll(`/v1/accounts/${account}/`, '/v1/billing/');
      expect(own.body).toBe(asCustomer(paths(operators.body)));
      const { next } = JSON.parse(own.body).links;
      if (next !== null) expect((await get(next, customer.key)).status).toBe(200);
    },
  );

  test('reads a charge of their account, and of no other', async () => {
    const own = await get(`/v1/billing/charges/${charges[0]}`, customer.key);
    expect(own.body).toBe(asCustomer((await get(`/v1/charges/${charges[0]}`)).body));
    const other = await newFundedAccount(node.url, operator, ['1']);
    const { key } = await newKey(other, ['billing:read']);
    const missing = await get(`/v1/billing/charges/${charges[0]}`, key);
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.body).code).toBe('charge_not_found');
    expect((await page('/v1/billing/charges', key)).data).toEqual([]);
  });

  test('needs the scope billing:read, and a key of their own', async () => {
    const { key } = await newKey(account, ['balance:read']);
    for (const what of ['grants', 'entries', 'charges', 'usage', `charges/${charges[0]}`]) {
      expect((await get(`/v1/billing/${what}`, key)).status).toBe(403);
      const wrongKind = await get(`/v1/billing/${what}`);
      expect(wrongKind.status).toBe(403);
      expect(JSON.parse(wrongKind.body).code).toBe('customer_key_required');
      expect((await get(ofAccount('statement'), customer.key)).status).toBe(403);
    }
  });
});
