import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { PostgresDatabase } from '../../src/db/connection/postgres.ts';
import { SERVING } from '../../src/db/embedded/cluster.ts';
import { type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { DEBIAN_POSTGRESQL_15 } from '../clusters.ts';
import { expectJournalInLedger, newFundedAccount, newOperatorKey } from './books.ts';
import { type Attempt, call, chargeUntil } from './client.ts';
import { type Node, startNode, useNodes } from './node.ts';

useNodes();
const quiet = { info: () => {}, warn: () => {} };
const dataDir = mkdtempSync(join(tmpdir(), 'purser-killed-'));
const journal: Attempt[] = [];
let postgres: EmbeddedPostgres;
let database: PostgresDatabase;
let node: Node;
let key: string;
let environment: Record<string, string>;

/** Reads rows as the server does, through its own `database`. */
const db = {
  get database() {
    return database;
  },
  query: async (text: string) => database.rows({ name: text.slice(0, 60), text }) as Promise<never>,
};

beforeAll(async () => {
  const is15 = inject('major') === 15;
  postgres = await startEmbedded({
    dataDir,
    as: 'command',
    log: quiet,
    ...(is15 && { binDir: DEBIAN_POSTGRESQL_15 }),
  });
  const { host, port, user, database: name } = postgres.connection();
  await migrate(postgres.connection(), quiet, { login: SERVING });
  database = new PostgresDatabase({
    source: () => ({ ...postgres.connection(), user: SERVING }),
    role: null,
    log: quiet,
  });
  environment = {
    DATABASE_URL: `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`,
  };
  node = await startNode(environment);
  key = await newOperatorKey({ database });
});

afterAll(async () => {
  await node.end();
  await database.close();
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function postmasterPid(): string {
  const file = join(dataDir, 'postgresql', 'postmaster.pid');
  return existsSync(file) ? (readFileSync(file, 'utf8').split('\n')[0] ?? '') : '';
}

/** Charges from 32 clients while `disturb` runs, and until every client knows its outcomes. */
async function chargeDuring(
  accounts: readonly string[],
  urls: () => readonly string[],
  disturb: () => Promise<void>,
): Promise<void> {
  let isOver = false;
  const clients = Array.from({ length: 32 }, async () => {
    while (!isOver) {
      const own: Attempt[] = [];
      // Each round reads `urls` again, so that a client finds the node that replaced a dead one.
      await chargeUntil(() => isOver || own.length >= 20, own, {
        urls: urls(),
        accounts,
        key,
        amount: '0.01',
      });
      journal.push(...own);
    }
  });
  await delay(500);
  await disturb();
  await delay(500);
  isOver = true;
  await Promise.all(clients);
}

describe('a process that ends in the middle of load', () => {
  test('(the server, killed) loses no acknowledged charge and doubles none', async () => {
    const accounts = await Promise.all(
      [1, 2, 3].map(() => newFundedAccount(node.url, key, ['50000', '50000'])),
    );
    for (let round = 0; round < 3; round += 1) {
      await chargeDuring(
        accounts,
        () => [node.url],
        async () => {
          await node.end('SIGKILL');
          node = await startNode(environment);
        },
      );
    }
    expect(journal.filter(({ status }) => status === 201).length).toBeGreaterThan(300);
    await expectJournalInLedger(db, journal);
  });

  test('(PostgreSQL, killed or shut down) loses none either, and the service heals by itself', async () => {
    const accounts = await Promise.all(
      [1, 2, 3].map(() => newFundedAccount(node.url, key, ['50000', '50000'])),
    );
    const before = journal.length;
    // Two kills, and one smart shutdown, which waits for clients that do not disconnect: ours.
    for (const signal of ['-9', '-9', '-TERM']) {
      await chargeDuring(
        accounts,
        () => [node.url],
        async () => {
          const before = postmasterPid();
          execFileSync('/bin/kill', [signal, before]);
          await expect
            .poll(postmasterPid, { timeout: 30_000, interval: 50 })
            .toSatisfy((pid) => pid !== '' && pid !== before);
          await expect
            .poll(async () => (await call('GET', `${node.url}/readyz`)).status, {
              timeout: 30_000,
              interval: 50,
            })
            .toBe(200);
        },
      );
    }
    const acknowledged = journal.slice(before).filter(({ status }) => status === 201);
    expect(acknowledged.length).toBeGreaterThan(100);
    await expectJournalInLedger(db, journal);
  });
});
