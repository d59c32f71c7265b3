import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { newFundedAccount, newOperatorKey } from './books.ts';
import { Chance, SECONDS, SEED } from './chance.ts';
import { attributesOf, call } from './client.ts';
import { type FlakyUpstream, startFlakyUpstream } from './flaky-upstream.ts';
import { expectReceivedIsPaid } from './gateway-books.ts';
import { ask, callUntil, type Journal, type Payer } from './gateway-client.ts';
import { type Node, startNode, useNodes } from './node.ts';

const CLIENTS = 24;
/** Retries, because on a machine under load a good answer sometimes comes too late. */
const MOST_TRIES = 10;
const ASK_AGAIN_MS = 200;
/** The accounts' credits in cents. The last account uses its credit up. */
const CREDITS = ['100000', '100000', '100000', String(2 * SECONDS)];

const PRICES = (upstream: string): string => `
upstreams:
  flaky: {base_url: ${upstream}, connect_timeout_s: 1, answer_timeout_s: 0.6, idle_timeout_s: 1.5,
    secret: {header: authorization, env: TEST_UPSTREAM_KEY}}
routes:
  fixed: {methods: [GET], path: /v1/fixed, scope: search, upstream: flaky, longest_s: 2,
    price: [{per_call: "0.5"}]}
  effort: {methods: [GET], path: /v1/effort, scope: search, upstream: flaky, longest_s: 2,
    price: [{by: effort, cents: {low: "1", high: "2"}}]}
  counted: {methods: [GET], path: /v1/counted, scope: search, upstream: flaky, longest_s: 2,
    metering_buffer_bytes: 65536,
    price: [{per_call: "0.5"}, {per: items, cents: "0.1", count: $count(answer.items), at_most: 20}]}
  events: {methods: [GET], path: /v1/events, scope: search, upstream: flaky, longest_s: 2,
    count_event_with: usage, error_event: error,
    price: [{per: output, cents: "0.1", count: answer.usage.output, at_most: 20}]}
  free: {methods: [GET], path: /v1/free, scope: search, upstream: flaky, longest_s: 2, price: []}
`;

const db = useDatabase();
useNodes();
const folder = mkdtempSync(join(tmpdir(), 'purser-soak-'));
let upstream: FlakyUpstream;
let environment: Record<string, string>;
let nodes: Node[] = [];
const killedAt = new Map<Node, number>();
let payers: Payer[];

const start = async () => {
  nodes = await Promise.all([startNode(environment), startNode(environment)]);
};
/** Stops the nodes. A call that never ends would delay a stop until the server is killed. */
const stop = async () => {
  expect(await Promise.all(nodes.map((node) => node.end()))).toEqual([0, 0]);
};
const chance = new Chance(CLIENTS);
const anyNode = (by: Chance) => by.pick(nodes);

beforeAll(async () => {
  upstream = await startFlakyUpstream(new Chance(CLIENTS + 1));
  const file = join(folder, 'prices.yaml');
  writeFileSync(file, PRICES(upstream.url));
  environment = {
    DATABASE_URL: db.databaseUrl,
    PURSER_GATEWAY: file,
    TEST_UPSTREAM_KEY: 'secret',
  };
  await start();
  const key = await newOperatorKey(db);
  payers = await Promise.all(CREDITS.map((cents) => newPayer(key, cents)));
});

afterAll(async () => {
  await stop();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

async function newPayer(operatorKey: string, cents: string): Promise<Payer> {
  const account = await newFundedAccount(anyNode(chance).url, operatorKey, [cents]);
  const made = await call('POST', `${anyNode(chance).url}/v1/accounts/${account}/api_keys`, {
    key: operatorKey,
    body: { scopes: ['search'] },
  });
  return { account, key: String(attributesOf(made, 201)['key']) };
}

/** Kills and restarts one server after the other. */
async function killUntil(end: number): Promise<void> {
  while (Date.now() < end) {
    await delay(Math.min(chance.between(2_000, 5_000), Math.max(0, end - Date.now())));
    const victim = chance.below(nodes.length);
    const node = nodes[victim] as Node;
    killedAt.set(node, performance.now());
    await node.end('SIGKILL');
    nodes[victim] = await startNode(environment);
  }
}

/**
 * Retries every call with an idempotency key, from a good upstream, until it has an answer or a
 * refusal. So every attempt that a killed server left is ended.
 */
async function fulfil(journal: Journal): Promise<void> {
  const open = journal.wishes.filter(({ idempotencyKey }) => idempotencyKey !== undefined);
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (let wish = open.pop(); wish; wish = open.pop()) {
        wish.isOver = false;
        const outcomes = [await ask(wish, journal, anyNode(chance))];
        while (!wish.isOver && outcomes.length < MOST_TRIES) {
          await delay(ASK_AGAIN_MS);
          outcomes.push(await ask(wish, journal, anyNode(chance)));
        }
        expect({ outcomes, ...wish }).toMatchObject({ isOver: true });
      }
    }),
  );
}

/** Moves the deadlines of the killed servers' attempts and holds to now. */
async function passTime(): Promise<void> {
  const now = `date_trunc('milliseconds', clock_timestamp())`;
  await db.query(`update idempotent_calls set until = ${now} where not is_used`);
  await db.query(`
    with held as (
      update holds set expires_at = ${now} returning account_id, number, expires_at),
    due as (
      update balances b set next_due_at = h.expires_at from held h where b.account_id = h.account_id)
    update operations o set expires_at = h.expires_at from held h
    where o.account_id = h.account_id and o.number = h.number`);
}

test(
  `24 clients, who leave, pay once for each answer of an upstream that fails, over two servers that are killed (seed ${SEED}, ${SECONDS} s)`,
  async () => {
    const journal: Journal = { wishes: [], attempts: [], outcomes: new Map() };
    const end = Date.now() + SECONDS * 1_000;
    let isOver = false;
    const calling = Promise.all(
      Array.from({ length: CLIENTS }, (_, client) =>
        callUntil(() => isOver, journal, { payers, anyNode }, new Chance(client)),
      ),
    );
    await killUntil(end);
    isOver = true;
    await calling;
    await stop();
    await passTime();
    await upstream.heal();
    const calmSince = new Date();
    await start();
    await expect.poll(() => db.query('select from holds'), { timeout: 20_000 }).toEqual([]);
    await fulfil(journal);
    await stop();

    const outcomes = [...journal.outcomes.keys()];
    expect(
      outcomes.filter((outcome) => / (internal_error|invalid_request)$/.test(outcome)),
    ).toEqual([]);
    for (const outcome of ['200', '200 replayed', '402 insufficient_credits', 'no answer']) {
      expect(outcomes).toContain(outcome);
    }
    expect(journal.attempts.length).toBeGreaterThan(SECONDS * 10);
    await expectReceivedIsPaid(db, journal, { killedAt, calmSince, failed: upstream.failed });
  },
  (SECONDS + 120) * 1_000,
);
