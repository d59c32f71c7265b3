import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApiKey } from '../../src/auth/api-keys.ts';
import { sha256 } from '../../src/auth/authentication.ts';
import type { CallRequest } from '../../src/gateway/call/call-request.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { loadPriceBook } from '../../src/gateway/routes/price-books.ts';
import { grantOf, newAccount, useLedger } from '../database/rig.ts';
import { useDatabase } from '../postgres.ts';
import { startUpstream, type TestUpstream } from './upstream.ts';

/** Clients that disconnect after the whole answer was sent, and before it has arrived. */

const db = useDatabase();
const rig = useLedger(db.database);
let upstream: TestUpstream;
let gateway: Gateway;

const PRICES = (url: string) => `
upstreams: {up: {base_url: ${url}}}
routes:
  events:
    methods: [GET]
    path: /events
    scope: search
    upstream: up
    count_event_with: usage
    error_event: error
    price: [{per: output, cents: "0.1", count: answer.usage.output, at_most: 20}]
`;

beforeAll(async () => {
  upstream = await startUpstream();
  await loadPriceBook(db.database, 'prices.yaml', PRICES(upstream.url));
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  gateway = new Gateway({
    database: db.database,
    ledger: rig.ledger,
    log,
    observer: { callEnded: () => {} },
    secretOf: () => undefined,
    drainMs: 60_000,
  });
  await gateway.start();
});
afterAll(() => upstream.close());

/** A client that disconnects when the test calls `leave`. */
class TestClient {
  hasLeft = false;
  readonly isSlow = false;
  readonly hasHeldUp = false;
  #listener: (isWhole: boolean) => void = () => {};
  onClosed(listener: (isWhole: boolean) => void): void {
    this.#listener = listener;
  }
  disconnect(): void {}
  leave(): void {
    this.hasLeft = true;
    this.#listener(false);
  }
}

/**
 * Calls with an idempotency key, and disconnects after the whole answer was handed to the client.
 */
async function callAndLeave(search: string): Promise<string> {
  const account = await newAccount(db.database);
  await rig.ledger.submit(grantOf(account, 10_000_000n), () => true);
  const terms = { name: 'key', scopes: ['search'], expiresAt: null };
  const { apiKey, secret } = await createApiKey(db.database, account.id, terms);
  const client = new TestClient();
  const request: CallRequest = {
    method: 'GET',
    target: { path: '/events', search },
    headers: {},
    body: null,
    principal: {
      kind: 'customer',
      apiKeyId: apiKey.id,
      keySecret: sha256(secret),
      accountPublicId: account.publicId,
      accountStatus: 'active',
      scopes: ['search'],
    },
    balance: { available: 10_000_000n, overdraftLimit: 0n },
    address: '127.0.0.1',
    requestId: 'request',
    idempotencyKey: randomUUID(),
    client,
  };
  const priced = gateway.match('GET', '/events');
  if (!priced) throw new Error('there is no such route');
  const { body } = await gateway.call(priced, request);
  if (!(body instanceof Readable)) throw new Error('the answer came whole');
  await buffer(body);
  client.leave();
  return account.id;
}

test.each([
  ['was delivered', '?do=events&items=7', 'delivered', 1],
  ['reports an error', '?do=events&then=error', 'upstream_error_event', 0],
])('a stream that %s has ended, and so has its call', async (_, search, ending, keys) => {
  const account = await callAndLeave(search);
  const rows = (table: string) =>
    db.query(`select * from ${table} where account_id = $1`, [account]);
  await expect.poll(() => rows('call_endings'), { timeout: 5_000 }).toMatchObject([{ ending }]);
  expect(await rows('idempotent_calls')).toHaveLength(keys);
  expect(await rows('holds')).toEqual([]);
});

test('no call is left over to delay the stop', async () => {
  gateway.beginStop();
  await gateway.stop();
});
