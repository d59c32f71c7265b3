import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import type { TestDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';
import { startUpstream, type TestUpstream } from './upstream.ts';

/** A gateway in front of an upstream of the test's. */
export interface GatewayRig<N extends Server = Server> {
  readonly url: string;
  readonly node: N;
  readonly upstream: TestUpstream;
  readonly operatorKey: string;
  readonly priceBook: string;
  /** A customer with so many cents, and a key with the scopes. */
  customer(cents: string, scopes?: readonly string[]): Promise<Customer>;
  /** Another gateway over the same database, with the same price book and more settings. */
  another(settings?: Readonly<Record<string, string>>): Promise<N>;
}

export interface Customer {
  readonly account: string;
  readonly key: string;
  readonly apiKeyId: string;
  /** The balance, in cents. */
  balance(): Promise<string>;
  /** Calls the gateway. Never rejects. */
  get(path: string, options?: SendOptions): Promise<Delivered>;
  /** The receipt of a charge or hold, by its id, once its call has ended. */
  receipt(id: string | undefined): Promise<Record<string, unknown>>;
}

export interface SendOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Disconnect after so many bytes of the answer; 0: as soon as the upstream has the request. */
  readonly leaveAfter?: number;
  /** Disconnect after so many milliseconds. */
  readonly leaveAfterMs?: number;
  readonly url?: string;
}

/** The part of an answer that came; status 0: nothing came. */
export interface Delivered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly isWhole: boolean;
}

const SCOPES = ['balance:read', 'billing:read', 'search'];
const SECRET = 'secret-of-the-upstream';

/**
 * Starts the rig, with the gateway in the test's process. Call it once, at the top level; `priceBook`
 * gets the upstream's URL.
 */
export function useGateway(
  db: TestDatabase,
  priceBook: (upstream: string) => string,
  start: () => Promise<TestUpstream> = startUpstream,
): GatewayRig {
  useServers();
  return useGatewayBy(startServer, db, priceBook, start);
}

/** The rig with gateways that `startPurser` starts. */
export function useGatewayBy<N extends Server>(
  startPurser: (environment: Record<string, string>) => Promise<N>,
  db: TestDatabase,
  priceBook: (upstream: string) => string,
  start: () => Promise<TestUpstream> = startUpstream,
): GatewayRig<N> {
  let rig: Omit<GatewayRig<N>, 'customer' | 'another'>;
  let folder: string | undefined;
  const environment = (file: string) => ({
    DATABASE_URL: db.databaseUrl,
    PURSER_GATEWAY: file,
    TEST_UPSTREAM_KEY: SECRET,
    PURSER_DRAIN_S: '4',
  });
  beforeAll(async () => {
    const upstream = await start();
    folder = mkdtempSync(join(tmpdir(), 'purser-'));
    const file = join(folder, 'prices.yaml');
    writeFileSync(file, priceBook(upstream.url));
    const node = await startPurser(environment(file));
    const operatorKey = await newOperatorKey(db);
    rig = { url: node.url, node, upstream, operatorKey, priceBook: file };
  });
  afterAll(async () => {
    await rig.node.end();
    await rig.upstream.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });
  return {
    get url() {
      return rig.url;
    },
    get node() {
      return rig.node;
    },
    get upstream() {
      return rig.upstream;
    },
    get operatorKey() {
      return rig.operatorKey;
    },
    get priceBook() {
      return rig.priceBook;
    },
    customer: (cents, scopes = SCOPES) => newCustomer(rig, cents, scopes),
    another: (settings = {}) => startPurser({ ...environment(rig.priceBook), ...settings }),
  };
}

async function newCustomer(
  { url, operatorKey }: Pick<GatewayRig, 'url' | 'operatorKey'>,
  cents: string,
  scopes: readonly string[],
): Promise<Customer> {
  const account = await newFundedAccount(url, operatorKey, cents === '0' ? [] : [cents]);
  const made = await call('POST', `${url}/v1/accounts/${account}/api_keys`, {
    key: operatorKey,
    body: { scopes },
  });
  const { key, id } = attributesOf(made, 201) as { key: string; id: string };
  return {
    account,
    key,
    apiKeyId: id,
    balance: async () => {
      const answer = await call('GET', `${url}/v1/accounts/${account}/balance`, {
        key: operatorKey,
      });
      return String(attributesOf(answer, 200)['available']);
    },
    get: (path, options = {}) => send(`${options.url ?? url}${path}`, key, options),
    receipt: (id) => receiptOf(url, key, id),
  };
}

async function receiptOf(url: string, key: string, id: string | undefined) {
  for (;;) {
    const answer = await call('GET', `${url}/v1/billing/charges/${id}`, { key });
    if (answer.status === 404) return { missing: id };
    const receipt = attributesOf(answer, 200);
    const { ending } = receipt['call'] as { ending: string };
    if (ending !== 'in_progress') return receipt;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Sends one request over a connection of its own. */
export function send(url: string, key: string, options: SendOptions = {}): Promise<Delivered> {
  const { method = 'GET', headers = {}, body, leaveAfter, leaveAfterMs } = options;
  const { origin } = new URL(url);
  return new Promise((resolve) => {
    const sent = request(
      origin,
      {
        method,
        agent: false,
        headers: { 'x-api-key': key, ...headers },
        path: url.slice(origin.length),
      },
      (answer) => {
        let text = '';
        const end = (isWhole: boolean) =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            trailers: answer.trailers,
            body: text,
            isWhole,
          });
        answer.setEncoding('utf8');
        answer.on('data', (piece) => {
          text += piece;
          if (leaveAfter !== undefined && text.length >= leaveAfter) sent.destroy();
        });
        answer.on('end', () => end(true));
        answer.on('error', () => end(false));
      },
    );
    const none = { status: 0, headers: {}, trailers: {}, body: '', isWhole: false };
    sent.on('error', () => resolve(none));
    const leavesAfterMs = leaveAfter === 0 ? 300 : leaveAfterMs;
    if (leavesAfterMs !== undefined) setTimeout(() => sent.destroy(), leavesAfterMs);
    sent.end(body);
  });
}

export const newKey = (): string => randomUUID();
