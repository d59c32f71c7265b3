import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { type Answer, attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

/** Retries of requests that make an account, a key or a secret, after their answer was lost. */

const db = useDatabase();
useServers();
let nodes: [Server, Server];
let operatorKey: string;
let account: string;

beforeAll(async () => {
  const environment = { DATABASE_URL: db.databaseUrl };
  nodes = await Promise.all([startServer(environment), startServer(environment)]);
  operatorKey = await newOperatorKey(db);
  account = await newFundedAccount(nodes[0].url, operatorKey, ['10']);
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.end()));
});

interface Options {
  readonly by?: string;
  readonly node?: 0 | 1;
  readonly timeoutMs?: number;
}

const post = (
  path: string,
  body: object,
  idempotencyKey: string,
  { by = operatorKey, node = 0, timeoutMs }: Options = {},
) =>
  call('POST', `${nodes[node].url}${path}`, {
    key: by,
    idempotencyKey,
    body,
    ...(timeoutMs && { timeoutMs }),
  });

const keysOf = (id: string) => `/v1/accounts/${id}/api_keys`;
const statusWith = async (secret: unknown) =>
  (await call('GET', `${nodes[1].url}/v1/billing/account_balance`, { key: String(secret) })).status;
const isReplay = ({ headers }: Answer) => headers['idempotency-replayed'] === 'true';
const refusalOf = ({ status, body }: Answer) => ({ status, ...JSON.parse(body) });

async function newAccount(): Promise<string> {
  return newFundedAccount(nodes[0].url, operatorKey, []);
}

const secretsOf = async (id: string): Promise<number> => {
  const rows = await db.query(
    `select from api_key_secrets s join api_keys k on k.id = s.api_key_id
     join accounts a on a.id = k.account_id
     where a.public_id = $1 and (s.valid_until is null or s.valid_until > now())`,
    [id],
  );
  return rows.length;
};

describe('a request that is repeated under its Idempotency-Key', () => {
  test('gets the same account, and no second one is made', async () => {
    const body = { kind: 'individual', name: 'Ada', external_id: randomUUID() };
    const first = await post('/v1/accounts', body, 'account-1');
    const again = await post('/v1/accounts', body, 'account-1', { node: 1 });
    expect([first.status, isReplay(first)]).toEqual([201, false]);
    expect([again.status, isReplay(again)]).toEqual([201, true]);
    expect(again.body).toBe(first.body);
  });

  test('gets the same key with its secret, byte for byte', async () => {
    const own = await newAccount();
    const body = { name: 'production', scopes: ['balance:read', 'search'] };
    const first = await post(keysOf(own), body, 'key-1');
    const again = await post(keysOf(own), body, 'key-1', { node: 1 });
    expect([again.status, isReplay(again), again.body]).toEqual([201, true, first.body]);
    expect(await statusWith(attributesOf(again, 201)['key'])).toBe(200);
    expect(await secretsOf(own)).toBe(1);
  });

  test('gets the first answer, although the key was changed and revoked since', async () => {
    const own = await newAccount();
    const first = await post(keysOf(own), { name: 'a' }, 'key-1');
    const { id, key } = attributesOf(first, 201);
    const url = `${nodes[0].url}/v1/api_keys/${id}`;
    await call('PATCH', url, { key: operatorKey, body: { name: 'b' } });
    await call('DELETE', url, { key: operatorKey });
    expect((await post(keysOf(own), { name: 'a' }, 'key-1')).body).toBe(first.body);
    expect(await statusWith(key)).toBe(401);
  });

  test('gets the same new secret of a rotation, and the old one has ended once', async () => {
    const own = await newAccount();
    const made = attributesOf(await post(keysOf(own), {}, 'key-1'), 201);
    const path = `/v1/api_keys/${made['id']}/rotate`;
    const first = await post(path, { grace_s: 600 }, 'rotation-1');
    const again = await post(path, { grace_s: 600 }, 'rotation-1', { node: 1 });
    expect([first.status, again.status, isReplay(again)]).toEqual([200, 200, true]);
    expect(again.body).toBe(first.body);
    const { key } = attributesOf(again, 200);
    expect(key).not.toBe(made['key']);
    expect([await statusWith(made['key']), await statusWith(key)]).toEqual([200, 200]);
    expect(await secretsOf(own)).toBe(2);
  });

  test('gets the status of the first answer for an imported key too', async () => {
    const own = await newAccount();
    const sha256 = createHash('sha256').update(randomUUID()).digest('hex');
    const first = await post(keysOf(own), { sha256 }, 'import-1');
    const again = await post(keysOf(own), { sha256 }, 'import-1');
    const other = await post(keysOf(own), { sha256 }, 'import-2');
    expect([first.status, again.status, other.status]).toEqual([201, 201, 200]);
    expect([isReplay(first), isReplay(again), isReplay(other)]).toEqual([false, true, false]);
    expect(again.body).toBe(first.body);
    expect(first.body).not.toContain('"key"');
  });

  test('gets its key although the expiry that it asked for has passed', async () => {
    const own = await newAccount();
    const body = { expires_at: new Date(Date.now() + 1_000).toISOString() };
    const first = await post(keysOf(own), body, 'short');
    expect(first.status).toBe(201);
    const { key } = attributesOf(first, 201);
    await expect.poll(() => statusWith(key), { timeout: 5_000 }).toBe(401);
    expect((await post(keysOf(own), body, 'short')).body).toBe(first.body);
    const late = refusalOf(await post(keysOf(own), body, 'late'));
    expect(late).toMatchObject({ status: 422, detail: 'expires_at must be in the future' });
  });

  test('is refused with another payload, or for something else in the account', async () => {
    const own = await newAccount();
    const { id } = attributesOf(await post(keysOf(own), { name: 'a' }, 'key-1'), 201);
    const reused = { status: 422, code: 'idempotency_key_reused' };
    for (const [path, body] of [
      [keysOf(own), { name: 'b' }],
      [keysOf(own), { name: 'a', scopes: ['search'] }],
      [keysOf(own), { name: 'a', expires_at: '2040-01-01T00:00:00Z' }],
      [`/v1/api_keys/${id}/rotate`, {}],
    ] as const) {
      expect(refusalOf(await post(path, body, 'key-1'))).toMatchObject(reused);
    }
    await post('/v1/accounts', { kind: 'individual', name: 'A' }, 'mine');
    const other = await post('/v1/accounts', { kind: 'individual', name: 'B' }, 'mine');
    expect(refusalOf(other)).toMatchObject(reused);
    expect(await secretsOf(own)).toBe(1);
  });

  test('has an Idempotency-Key of its own in each account', async () => {
    const [one, other] = [await newAccount(), await newAccount()];
    const keys = await Promise.all([one, other].map((id) => post(keysOf(id), {}, 'key-1')));
    expect(new Set(keys.map((answer) => attributesOf(answer, 201)['id'])).size).toBe(2);
  });

  test('is judged anew after a refusal', async () => {
    const own = await newAccount();
    const { id } = attributesOf(await post(keysOf(own), {}, 'key-1'), 201);
    const rotate = () => post(`/v1/api_keys/${id}/rotate`, {}, 'rotation-1');
    const expire = (at: string) =>
      db.query(
        `update api_keys set expires_at = ${at}
         where account_id = (select id from accounts where public_id = $1)`,
        [own],
      );
    await expire('now()');
    expect(refusalOf(await rotate())).toMatchObject({ status: 409, code: 'api_key_inactive' });
    await expire('null');
    const answer = await rotate();
    expect([answer.status, isReplay(answer)]).toEqual([200, false]);
  });

  test.each(['', 'two words', 'ü'.repeat(3), 'x'.repeat(256)])(
    'needs a key of 1 to 255 visible ASCII characters: %j is none',
    async (idempotencyKey) => {
      const answer = await post(
        keysOf(account),
        {},
        Buffer.from(idempotencyKey).toString('latin1'),
      );
      expect(refusalOf(answer)).toMatchObject({ status: 400, code: 'idempotency_key_invalid' });
    },
  );
});

describe('the secret of a repeated request', () => {
  test('is given only to the operator key of the first request', async () => {
    const own = await newAccount();
    const { id } = attributesOf(await post(keysOf(own), {}, 'key-1'), 201);
    const other = await newOperatorKey(db);
    const refused = refusalOf(await post(keysOf(own), {}, 'key-1', { by: other }));
    expect(refused).toEqual({
      status: 409,
      code: 'secret_not_kept',
      detail: expect.stringContaining(`the API key ${id}`),
      api_key_id: id,
    });
    expect(await secretsOf(own)).toBe(1);
  });

  test('is given for 24 hours; then its salt is deleted', async () => {
    const own = await newAccount();
    const { id, key } = attributesOf(await post(keysOf(own), {}, 'key-1'), 201);
    await db.query(`update idempotent_requests set at = at - interval '24 hours' - interval '1 s'`);
    const late = refusalOf(await post(keysOf(own), {}, 'key-1'));
    expect(late).toMatchObject({ status: 409, code: 'secret_not_kept' });
    expect(late.detail).toContain(String(id));
    await post(keysOf(own), {}, 'key-2');
    const kept = await db.query(
      'select from idempotent_requests where secret_salt is not null and at < now() - $1::interval',
      ['24 hours'],
    );
    expect(kept).toEqual([]);
    expect([await statusWith(key), await secretsOf(own)]).toEqual([200, 2]);
  });

  test('is neither in the database nor in the log', async () => {
    const own = await newAccount();
    const idempotencyKey = randomUUID();
    const secret = String(attributesOf(await post(keysOf(own), {}, idempotencyKey), 201)['key']);
    const rows = await db.query(
      `select t::text as text from idempotent_requests t union all select t::text from api_keys t
       union all select t::text from api_key_secrets t`,
    );
    const stored = rows.map(({ text }) => text).join('\n');
    for (const text of [secret, secret.slice(5, 48), idempotencyKey, operatorKey]) {
      expect(stored).not.toContain(text);
      for (const node of nodes) expect(node.output()).not.toContain(text);
    }
  });
});

describe('many repetitions at once, over two nodes', () => {
  const atOnce = (send: (node: 0 | 1) => Promise<Answer>) =>
    Promise.all(Array.from({ length: 24 }, (_, index) => send((index % 2) as 0 | 1)));

  function expectOneEffect(answers: readonly Answer[], status: number): void {
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([status]));
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    expect(answers.filter((answer) => !isReplay(answer))).toHaveLength(1);
  }

  test('make one account', async () => {
    const body = { kind: 'organization', name: randomUUID() };
    expectOneEffect(await atOnce((node) => post('/v1/accounts', body, 'race', { node })), 201);
    const rows = await db.query('select from accounts where name = $1', [body.name]);
    expect(rows).toHaveLength(1);
  });

  test('make one key', async () => {
    const own = await newAccount();
    expectOneEffect(await atOnce((node) => post(keysOf(own), {}, 'race', { node })), 201);
    expect(await secretsOf(own)).toBe(1);
  });

  test('rotate once', async () => {
    const own = await newAccount();
    const { id } = attributesOf(await post(keysOf(own), {}, 'key-1'), 201);
    const path = `/v1/api_keys/${id}/rotate`;
    const answers = await atOnce((node) => post(path, { grace_s: 60 }, 'race', { node }));
    expectOneEffect(answers, 200);
    expect(await secretsOf(own)).toBe(2);
    expect(await statusWith(attributesOf(answers[0] as Answer, 200)['key'])).toBe(200);
  });

  test('import one key, with and without an Idempotency-Key', async () => {
    const own = await newAccount();
    const body = { sha256: createHash('sha256').update(randomUUID()).digest('hex') };
    const asked = await atOnce((node) => post(keysOf(own), body, randomUUID(), { node }));
    expect(asked.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(asked.filter(({ status }) => status === 200)).toHaveLength(23);
    expect(await secretsOf(own)).toBe(1);
  });
});

test('no lost answer leaves a valid key whose secret nobody has', async () => {
  const own = await newAccount();
  const secrets = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const idempotencyKey = `lost-${index}`;
      // The client disconnects before, while or after the key is made.
      await post(keysOf(own), {}, idempotencyKey, { timeoutMs: 1 + (index % 20) });
      const answer = await post(keysOf(own), {}, idempotencyKey, { node: 1 });
      return attributesOf(answer, 201)['key'];
    }),
  );
  expect(new Set(secrets).size).toBe(40);
  expect(await secretsOf(own)).toBe(40);
  expect(new Set(await Promise.all(secrets.map(statusWith)))).toEqual(new Set([200]));
});
