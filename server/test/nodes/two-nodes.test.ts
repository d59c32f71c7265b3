import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { expectJournalInLedger, newFundedAccount, newOperatorKey } from './books.ts';
import { type Attempt, attributesOf, call, chargeOnce, chargeUntil } from './client.ts';
import { type Node, startNode, useNodes } from './node.ts';

const db = useDatabase();
useNodes();
let nodes: [Node, Node];
let urls: string[];
let key: string;
const journal: Attempt[] = [];

beforeAll(async () => {
  const environment = { DATABASE_URL: db.databaseUrl };
  nodes = await Promise.all([startNode(environment), startNode(environment)]);
  urls = nodes.map(({ url }) => url);
  key = await newOperatorKey(db);
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.end()));
});

describe('two server processes on one database', () => {
  test('sell exactly what a few accounts have when 64 clients race on them', async () => {
    const [url = ''] = urls;
    const accounts = await Promise.all(
      [1, 2, 3].map(() => newFundedAccount(url, key, ['10', '0.3', '19.7', '20'])),
    );
    const attempts = accounts.flatMap((account) =>
      Array.from({ length: 128 }, (): Attempt => {
        return { idempotencyKey: randomUUID(), account, amount: '0.5', status: 0, tries: 0 };
      }),
    );
    journal.push(...attempts);
    const queue = [...attempts];
    const client = async (first: number) => {
      const order = first % 2 ? urls : urls.toReversed();
      for (let next = queue.pop(); next; next = queue.pop()) {
        await chargeOnce(next, { urls: order, key });
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_, n) => client(n)));
    for (const account of accounts) {
      const told = attempts.filter((attempt) => attempt.account === account);
      expect(told.filter(({ status }) => status === 201)).toHaveLength(100);
      expect(told.filter(({ status }) => status === 402)).toHaveLength(28);
      const balance = await call('GET', `${url}/v1/accounts/${account}/balance`, { key });
      expect(attributesOf(balance, 200)).toMatchObject({ posted: '0', available: '0' });
    }
    await expectJournalInLedger(db, journal);
  });

  test('give one charge and equal answers to the same idempotency key 100 times at once', async () => {
    const [url = ''] = urls;
    const account = await newFundedAccount(url, key, ['100']);
    const idempotencyKey = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        call('POST', `${urls[n % 2]}/v1/charges`, {
          key,
          idempotencyKey,
          body: { account, amount: '1', description: idempotencyKey, metadata: { b: 1, a: '2' } },
        }),
      ),
    );
    journal.push({ idempotencyKey, account, amount: '1', status: 201, tries: 100 });
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    expect(answers.every(({ status }) => status === 201)).toBe(true);
    expect(answers.filter(({ headers }) => !headers['idempotency-replayed'])).toHaveLength(1);
    await expectJournalInLedger(db, journal);
  });

  test('see a revocation in the very next answer, and commit no charge after it', async () => {
    const [one = '', other = ''] = urls;
    const account = await newFundedAccount(one, key, ['100000']);
    for (let round = 0; round < 5; round += 1) {
      const made = await call('POST', `${one}/v1/accounts/${account}/api_keys`, {
        key,
        body: { scopes: ['balance:read'] },
      });
      const { id, key: secret } = attributesOf(made, 201);
      const read = () =>
        call('GET', `${other}/v1/billing/account_balance`, { key: String(secret) });
      expect((await read()).status).toBe(200);

      let revoked = false;
      let late = 0;
      const charging = Array.from({ length: 16 }, async (_, n) => {
        while (!revoked) {
          const idempotencyKey = randomUUID();
          const { status } = await call('POST', `${urls[n % 2]}/v1/charges`, {
            key,
            idempotencyKey,
            body: { account, amount: '0.01', api_key_id: id, description: idempotencyKey },
          });
          journal.push({ idempotencyKey, account, amount: '0.01', status, tries: 1 });
        }
        const after = await call('POST', `${urls[n % 2]}/v1/charges`, {
          key,
          idempotencyKey: randomUUID(),
          body: { account, amount: '0.01', api_key_id: id },
        });
        if (after.status === 201) late += 1;
      });
      await delay(50);
      expect((await call('DELETE', `${one}/v1/api_keys/${id}`, { key })).status).toBe(204);
      const [row] = await db.query<{ number: string }>(
        `select max(number) as number from operations where description is not null`,
      );
      revoked = true;
      expect((await read()).status).toBe(401);
      await Promise.all(charging);
      expect(late).toBe(0);
      const [last] = await db.query<{ number: string }>(
        `select max(number) as number from operations where description is not null`,
      );
      expect(last).toEqual(row);
    }
    await expectJournalInLedger(db, journal);
  });

  test('see the revocation of an operator key at once, on every node', async () => {
    const [one = '', other = ''] = urls;
    const account = await newFundedAccount(one, key, ['1']);
    const second = await newOperatorKey(db);
    const read = () => call('GET', `${other}/v1/accounts/${account}`, { key: second });
    expect((await read()).status).toBe(200);
    await db.query('update operator_keys set revoked_at = now() where masked like $1', [
      `${second.slice(0, 9)}%`,
    ]);
    expect((await read()).status).toBe(401);
  });

  test('one stopped in the middle of its load holds the other up for no longer than stated', async () => {
    const [one = '', other = ''] = urls;
    const accounts = await Promise.all(
      [1, 2, 3, 4].map(() => newFundedAccount(other, key, ['100000', '100000'])),
    );
    let isOver = false;
    const options = { accounts, key, amount: '0.01' };
    const stopped = Array.from({ length: 32 }, () =>
      chargeUntil(() => isOver, journal, { ...options, urls: [one] }),
    );
    // A stop rarely catches a node inside its transaction: repeat it until one does.
    const [stoppedNode] = nodes;
    for (let tries = 0; ; tries += 1) {
      stoppedNode.signal('SIGSTOP');
      await delay(20);
      const [row] = await db.query<{ caught: boolean }>(
        `select exists (select from pg_stat_activity where application_name = 'purser lane'
           and datname = current_database() and state = 'idle in transaction') as caught`,
      );
      if (row?.caught) break;
      expect(tries).toBeLessThan(500);
      stoppedNode.signal('SIGCONT');
      await delay(5);
    }
    const slowest: number[] = [];
    const seen: Record<number, number> = {};
    const until = Date.now() + 4_000;
    const charging = Array.from({ length: 16 }, async (_, n) => {
      while (Date.now() < until) {
        const idempotencyKey = randomUUID();
        const account = accounts[n % accounts.length] ?? '';
        const asked = performance.now();
        const { status } = await call('POST', `${other}/v1/charges`, {
          key,
          idempotencyKey,
          body: { account, amount: '0.01', description: idempotencyKey },
        });
        slowest.push(performance.now() - asked);
        seen[status] = (seen[status] ?? 0) + 1;
        journal.push({ idempotencyKey, account, amount: '0.01', status, tries: 1 });
      }
    });
    await Promise.all(charging);
    // PostgreSQL ends the transaction after 2 s. Until then, its accounts get 503 after 1 s each.
    expect(seen[201]).toBeGreaterThan(100);
    expect(Object.keys(seen).filter((status) => !['201', '503'].includes(status))).toEqual([]);
    expect(Math.max(...slowest)).toBeLessThan(4_000);
    stoppedNode.signal('SIGCONT');
    await delay(500);
    isOver = true;
    await Promise.all(stopped);
    const told = journal.map((a) => (a.status === 503 ? { ...a, status: 0 } : a));
    await expectJournalInLedger(db, told);
  });
});
