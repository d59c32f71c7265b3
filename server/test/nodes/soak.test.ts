import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { expectJournalInLedger, newFundedAccount, newOperatorKey } from './books.ts';
import { Chance, SECONDS, SEED } from './chance.ts';
import { type Answer, type Attempt, attributesOf, call } from './client.ts';
import { type Node, startNode, useNodes } from './node.ts';

const CLIENTS = 32;
/** The spend limit of each account, in cents. The first account reaches it soon. */
const LIMITS = ['10', '400', '400', '400'];
/** The pause between retries. A client retries until it knows the outcome of its operation. */
const ASK_AGAIN_MS = 100;

const db = useDatabase();
useNodes();
const nodes: Node[] = [];
let key: string;
let accounts: Account[];
let isOver = false;

interface Account {
  readonly id: string;
  readonly apiKey: string;
}

beforeAll(async () => {
  const environment = { DATABASE_URL: db.databaseUrl };
  nodes.push(...(await Promise.all([startNode(environment), startNode(environment)])));
  key = await newOperatorKey(db);
  accounts = await Promise.all(LIMITS.map(newAccount));
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.end()));
});

const urlOf = (index: number) => nodes[index % nodes.length]?.url ?? '';

async function newAccount(amount: string): Promise<Account> {
  const url = urlOf(0);
  const id = await newFundedAccount(url, key, ['20', '30']);
  const ask = (method: string, path: string, body: object) =>
    call(method, `${url}/v1/${path}`, { key, body });
  await ask('PATCH', `accounts/${id}`, { overdraft_limit: '20' });
  const made = await ask('POST', `accounts/${id}/api_keys`, { scopes: ['search'] });
  const { key: apiKey } = attributesOf(made, 201);
  const limit = await ask('PUT', `accounts/${id}/spend_limits/total`, { amount });
  expect(limit.status).toBe(200);
  return { id, apiKey: String(apiKey) };
}

/** One client: its journal, and the ids of its holds and charges for later operations. */
class Client {
  readonly journal: Attempt[] = [];
  readonly #charges: string[] = [];
  readonly #grants: string[] = [];
  readonly #chance: Chance;
  #turn: number;

  constructor(turn: number) {
    this.#chance = new Chance(turn);
    this.#turn = turn;
  }

  async work(): Promise<void> {
    while (!isOver) {
      await this.#operate(this.#chance.pick(accounts), this.#chance.below(100));
    }
  }

  async #operate({ id: account, apiKey }: Account, dice: number): Promise<void> {
    const amount = `0.${this.#chance.between(1, 99)}`;
    if (dice < 12) return this.#grant(account);
    if (dice < 40) {
      const scope = dice < 30 ? { scope: 'search' } : {};
      this.#keep(this.#charges, await this.#move('charges', { account, amount, ...scope }));
      return;
    }
    if (dice < 65) return this.#hold(account, amount, dice);
    if (dice < 75 && this.#charges.length > 0) {
      const part = dice < 70 ? { amount: '0.01' } : {};
      await this.#move(`charges/${this.#chance.pick(this.#charges)}/reverse`, part, 'reason');
      return;
    }
    if (dice < 80) {
      const up = dice < 77 ? { amount, category: 'promotional' } : { amount: `-${amount}` };
      await this.#move('adjustments', { account, ...up }, 'reason');
      return;
    }
    if (dice < 83 && this.#grants.length > 0) {
      await this.#move(`grants/${this.#chance.pick(this.#grants)}/void`, {}, 'reason');
      return;
    }
    if (dice < 95) return this.#authorize(apiKey, amount);
    const answer = await this.#ask('GET', `accounts/${account}/balance`, {});
    expect(answer.status).toBe(200);
  }

  async #grant(account: string): Promise<void> {
    const times = [
      {},
      { expires_at: inMs(this.#chance.between(500, 3_000)) },
      {
        effective_at: inMs(this.#chance.between(200, 1_000)),
        expires_at: inMs(this.#chance.between(1_200, 4_000)),
      },
    ];
    const terms = { priority: this.#chance.below(100), ...this.#chance.pick(times) };
    const body = { amount: String(this.#chance.between(1, 4)), ...terms };
    this.#keep(this.#grants, await this.#move(`accounts/${account}/grants`, body));
  }

  async #hold(account: string, amount: string, dice: number): Promise<void> {
    const body = { account, amount, expires_in_s: this.#chance.between(1, 4) };
    const id = await this.#move('holds', body);
    if (id === undefined || dice < 45) return;
    if (dice < 50) {
      await this.#move(`holds/${id}/void`, {}, 'reason');
      return;
    }
    const cost = this.#chance.pick(['0', '0.01', amount, '1.5']);
    await this.#move(`holds/${id}/capture`, { amount: cost });
  }

  async #authorize(apiKey: string, amount: string): Promise<void> {
    const idempotencyKey = randomUUID();
    const body = { api_key: apiKey, scope: 'search', amount, description: idempotencyKey };
    const answer = await this.#ask('POST', 'authorizations', { idempotencyKey, body });
    const { allowed, status } = attributesOf(answer, 200);
    this.#note(idempotencyKey, allowed ? 201 : Number(status));
  }

  /** Moves money and notes the answer. Resolves with the id of the new resource. */
  async #move(path: string, members: object, name = 'description'): Promise<string | undefined> {
    const idempotencyKey = randomUUID();
    const body = { ...members, [name]: idempotencyKey };
    const answer = await this.#ask('POST', path, { idempotencyKey, body });
    const isDone = answer.status < 300;
    this.#note(idempotencyKey, isDone ? 201 : answer.status);
    return isDone ? JSON.parse(answer.body).data.id : undefined;
  }

  /** Tries one node after the other until one gives a definite answer. */
  async #ask(
    method: string,
    path: string,
    options: { idempotencyKey?: string; body?: object },
  ): Promise<Answer> {
    for (;;) {
      this.#turn += 1;
      const answer = await call(method, `${urlOf(this.#turn)}/v1/${path}`, { key, ...options });
      if (answer.status !== 0 && answer.status < 500) return answer;
      expect([0, 503]).toContain(answer.status);
      await delay(ASK_AGAIN_MS);
    }
  }

  #note(idempotencyKey: string, status: number): void {
    this.journal.push({ idempotencyKey, account: '', amount: '', status, tries: 1 });
  }

  #keep(things: string[], id: string | undefined): void {
    if (id !== undefined) things.push(id);
  }
}

function inMs(duration: number): string {
  return new Date(Date.now() + duration).toISOString();
}

test(
  `all operations mixed from 32 clients over two nodes, some of them killed, leave books that add up (seed ${SEED}, ${SECONDS} s)`,
  async () => {
    const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index));
    const working = Promise.all(clients.map((client) => client.work()));
    const chance = new Chance(CLIENTS);
    const end = Date.now() + SECONDS * 1_000;
    while (Date.now() < end) {
      await delay(Math.min(chance.between(2_000, 6_000), Math.max(0, end - Date.now())));
      const victim = chance.below(nodes.length);
      await nodes[victim]?.end('SIGKILL');
      nodes[victim] = await startNode({ DATABASE_URL: db.databaseUrl });
    }
    isOver = true;
    await working;
    const journal = clients.flatMap((client) => client.journal);
    const statuses = new Set(journal.map(({ status }) => status));
    expect(statuses).toContain(402);
    expect(statuses).not.toContain(400);
    expect(journal.filter(({ status }) => status === 201).length).toBeGreaterThan(SECONDS * 20);
    await expectJournalInLedger(db, journal);
    const kinds = await db.query<{ kind: string }>('select distinct kind from operations');
    expect(kinds.length).toBeGreaterThanOrEqual(12);
  },
  (SECONDS + 60) * 1_000,
);
