import { createHash, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFundedAccount, newOperatorKey } from '../nodes/books.ts';
import { attributesOf, call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

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

const ask = (method: string, path: string, body?: object) =>
  call(method, `${nodes[0].url}${path}`, { key: operatorKey, ...(body && { body }) });

async function newKey(body: object = {}): Promise<{ id: string; secret: string }> {
  const made = await ask('POST', `/v1/accounts/${account}/api_keys`, body);
  const { id, key } = attributesOf(made, 201);
  return { id: String(id), secret: String(key) };
}

/** The status of a balance read with a secret, on the node that does not change keys. */
const statusWith = async (secret: string) =>
  (await call('GET', `${nodes[1].url}/v1/billing/account_balance`, { key: secret })).status;

async function rotate(id: string, body: object = {}) {
  const attributes = attributesOf(await ask('POST', `/v1/api_keys/${id}/rotate`, body), 200);
  return { attributes, secret: String(attributes['key']) };
}

describe('a change of a key', () => {
  test('of its scopes counts in the very next request at the other node', async () => {
    const { id, secret } = await newKey({ name: 'before', scopes: ['search'] });
    expect(await statusWith(secret)).toBe(403);
    const widened = await ask('PATCH', `/v1/api_keys/${id}`, { scopes: ['balance:read'] });
    expect(attributesOf(widened, 200)).toMatchObject({
      id,
      name: 'before',
      scopes: ['balance:read'],
      expires_at: null,
    });
    expect(await statusWith(secret)).toBe(200);
    await ask('PATCH', `/v1/api_keys/${id}`, { scopes: [] });
    expect(await statusWith(secret)).toBe(403);
  });

  test('leaves the members that it does not name, and null removes the expiry', async () => {
    const { id } = await newKey({ name: 'a', expires_at: '2040-01-01T00:00:00Z' });
    const renamed = attributesOf(await ask('PATCH', `/v1/api_keys/${id}`, { name: 'b' }), 200);
    expect(renamed).toMatchObject({ name: 'b', expires_at: '2040-01-01T00:00:00.000Z' });
    const forever = await ask('PATCH', `/v1/api_keys/${id}`, { expires_at: null });
    expect(attributesOf(forever, 200)).toMatchObject({ name: 'b', expires_at: null });
    expect(attributesOf(forever, 200)).not.toHaveProperty('key');
  });

  test('can bring an expired key back, but no revoked one', async () => {
    const { id, secret } = await newKey();
    const soon = new Date(Date.now() + 300).toISOString();
    attributesOf(await ask('PATCH', `/v1/api_keys/${id}`, { expires_at: soon }), 200);
    await expect.poll(() => statusWith(secret)).toBe(401);
    const rotated = await ask('POST', `/v1/api_keys/${id}/rotate`, {});
    expect(rotated.status).toBe(409);
    expect(JSON.parse(rotated.body)).toEqual({
      code: 'api_key_inactive',
      detail: 'The API key is expired: give it a later expires_at, or make a new key',
    });
    attributesOf(await ask('PATCH', `/v1/api_keys/${id}`, { expires_at: null }), 200);
    expect(await statusWith(secret)).toBe(200);

    await ask('DELETE', `/v1/api_keys/${id}`);
    for (const [method, path, body] of [
      ['PATCH', `/v1/api_keys/${id}`, { name: 'c' }],
      ['POST', `/v1/api_keys/${id}/rotate`, { grace_s: 5 }],
    ] as const) {
      const refused = await ask(method, path, body);
      expect(refused.status).toBe(409);
      expect(JSON.parse(refused.body)).toEqual({
        code: 'api_key_inactive',
        detail: 'The API key is revoked: make a new key',
      });
    }
    expect(await statusWith(secret)).toBe(401);
  });

  test.each([
    ['nothing', {}, 'name at least one member to change'],
    ['a name that is null', { name: null }, 'name must be a string'],
    [
      'an expiry that is no time',
      { expires_at: 5 },
      'expires_at must be a time as in RFC 3339, such as "2030-01-31T12:00:00Z", or null',
    ],
    ['a past expiry', { expires_at: '2020-01-01T00:00:00Z' }, 'expires_at must be in the future'],
    ["an operator's scope", { scopes: ['keys:write'] }, 'keys:write is for operator keys only'],
    ['an unknown member', { status: 'revoked' }, 'status is not a known member'],
  ])('to %s is refused by name', async (_, body, detail) => {
    const { id } = await newKey();
    const refused = await ask('PATCH', `/v1/api_keys/${id}`, body);
    expect(refused.status).toBe(422);
    expect(JSON.parse(refused.body).detail).toContain(detail);
  });

  test('of a key that is not there is 404', async () => {
    for (const id of ['key_nonsense', 'key_00000000000000000000000000']) {
      for (const [method, path] of [
        ['PATCH', `/v1/api_keys/${id}`],
        ['POST', `/v1/api_keys/${id}/rotate`],
      ] as const) {
        const body = method === 'PATCH' ? { name: 'a' } : {};
        const refused = await ask(method, path, body);
        expect(refused.status).toBe(404);
        expect(JSON.parse(refused.body).code).toBe('api_key_not_found');
      }
    }
  });
});

describe('a rotation', () => {
  test('without grace: the very next request with the old secret at the other node is 401', async () => {
    let { id, secret: old } = await newKey({ name: 'rotated' });
    for (let round = 0; round < 20; round += 1) {
      expect(await statusWith(old)).toBe(200);
      const { attributes, secret } = await rotate(id);
      expect(await statusWith(old)).toBe(401);
      expect(await statusWith(secret)).toBe(200);
      expect(secret).toMatch(/^prsr_/);
      expect(attributes).toMatchObject({
        id,
        name: 'rotated',
        masked: `${secret.slice(0, 9)}…${secret.slice(-4)}`,
      });
      old = secret;
    }
  });

  test('with a grace keeps both secrets valid until it is over', async () => {
    const { id, secret: old } = await newKey();
    const { secret } = await rotate(id, { grace_s: 1 });
    expect([await statusWith(old), await statusWith(secret)]).toEqual([200, 200]);
    await expect.poll(() => statusWith(old), { timeout: 5_000 }).toBe(401);
    expect(await statusWith(secret)).toBe(200);
  });

  test('lets a grace that runs already end when it was to end, and never later', async () => {
    const { id, secret: first } = await newKey();
    const { secret: second } = await rotate(id, { grace_s: 1 });
    const { secret: third } = await rotate(id, { grace_s: 600 });
    expect(await statusWith(first)).toBe(200);
    await expect.poll(() => statusWith(first), { timeout: 5_000 }).toBe(401);
    expect([await statusWith(second), await statusWith(third)]).toEqual([200, 200]);
    const { secret: fourth } = await rotate(id);
    expect([await statusWith(second), await statusWith(third)]).toEqual([401, 401]);
    expect(await statusWith(fourth)).toBe(200);
  });

  test('leaves five secrets valid at most, cuts no grace short, and is never refused without one', async () => {
    const { id, secret: first } = await newKey();
    const asked = Array.from({ length: 12 }, () =>
      ask('POST', `/v1/api_keys/${id}/rotate`, { grace_s: 600 }),
    );
    const answers = await Promise.all(asked);
    const made = answers.filter(({ status }) => status === 200);
    const secrets = [first, ...made.map((answer) => String(attributesOf(answer, 200)['key']))];
    expect(secrets).toHaveLength(5);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(8);
    for (const { body } of refused) {
      expect(JSON.parse(body)).toEqual({
        code: 'too_many_secrets',
        detail: expect.stringMatching(
          /^The API key has 5 valid secrets.* grace_s 0.* until [\d-]{10}T[\d:.]{12}Z, when one ends$/,
        ),
      });
    }
    expect(await Promise.all(secrets.map(statusWith))).toEqual([200, 200, 200, 200, 200]);

    const { secret: last } = await rotate(id);
    expect(await Promise.all(secrets.map(statusWith))).toEqual([401, 401, 401, 401, 401]);
    const { secret: next } = await rotate(id, { grace_s: 600 });
    expect([await statusWith(last), await statusWith(next)]).toEqual([200, 200]);
  });

  test('can be repeated once a grace is over', async () => {
    const { id } = await newKey();
    await rotate(id, { grace_s: 1 });
    for (let n = 0; n < 3; n += 1) await rotate(id, { grace_s: 600 });
    const again = () => ask('POST', `/v1/api_keys/${id}/rotate`, { grace_s: 600 });
    expect((await again()).status).toBe(409);
    await expect.poll(async () => (await again()).status, { timeout: 5_000 }).toBe(200);
    expect((await again()).status).toBe(409);
  });

  test('gives an imported key a secret of Purser’s making, and ends the imported one', async () => {
    const imported = `their-own-${randomUUID()}`;
    const sha256 = createHash('sha256').update(imported).digest('hex');
    const path = `/v1/accounts/${account}/api_keys`;
    const { id, masked } = attributesOf(await ask('POST', path, { sha256 }), 201);
    expect([masked, await statusWith(imported)]).toEqual([null, 200]);
    const { secret, attributes } = await rotate(String(id));
    expect(attributes['masked']).toBe(`${secret.slice(0, 9)}…${secret.slice(-4)}`);
    expect([await statusWith(imported), await statusWith(secret)]).toEqual([401, 200]);
    // The old hash still belongs to this key: a new import makes neither a key nor a valid secret.
    expect(attributesOf(await ask('POST', path, { sha256 }), 200)['id']).toBe(id);
    expect(await statusWith(imported)).toBe(401);
  });

  test('once answered, lets the other node charge nothing more with the old secret', async () => {
    let { id, secret: old } = await newKey({ scopes: ['balance:read', 'search'] });
    const allowedWith = async (secret: string) => {
      const body = { api_key: secret, scope: 'search', amount: '0.000001' };
      const options = { key: operatorKey, idempotencyKey: randomUUID(), body };
      const answer = await call('POST', `${nodes[1].url}/v1/authorizations`, options);
      return attributesOf(answer, 200)['allowed'];
    };
    for (let round = 0; round < 5; round += 1) {
      const replaced = old;
      let isRotated = false;
      const late: unknown[] = [];
      const charging = Array.from({ length: 16 }, async () => {
        while (!isRotated) await allowedWith(replaced);
        late.push(await allowedWith(replaced));
      });
      ({ secret: old } = await rotate(id));
      isRotated = true;
      await Promise.all(charging);
      expect(late).toEqual(Array(16).fill(false));
      expect(await allowedWith(old)).toBe(true);
    }
  });

  test('shows its secret in its own answer only', async () => {
    const { id } = await newKey();
    const { secret } = await rotate(id, { grace_s: 604_800 });
    const listed = await ask('GET', `/v1/accounts/${account}/api_keys`);
    expect(listed.body).not.toContain(secret);
    expect(listed.body).toContain(secret.slice(-4));
    for (const node of nodes) expect(node.output()).not.toContain(secret);
  });

  test.each([{ grace_s: -1 }, { grace_s: 604_801 }, { grace_s: 1.5 }, { grace_s: '60' }])(
    'with %j is refused by name',
    async (body) => {
      const { id } = await newKey();
      const refused = await ask('POST', `/v1/api_keys/${id}/rotate`, body);
      expect(refused.status).toBe(422);
      expect(JSON.parse(refused.body).detail).toBe(
        'grace_s must be a whole number from 0 to 604800',
      );
    },
  );

  test('waits for a decision that is under way on the old secret', async () => {
    const { id, secret: old } = await newKey();
    const client = new pg.Client(db.config);
    await client.connect();
    await client.query('begin');
    await client.query('select from balances for no key update');
    let isAnswered = false;
    const rotated = rotate(id).then(() => {
      isAnswered = true;
    });
    await expect
      .poll(() =>
        db.query(`select from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock'`),
      )
      .not.toEqual([]);
    expect(isAnswered).toBe(false);
    expect(await statusWith(old)).toBe(200);
    await client.query('commit');
    await client.end();
    await rotated;
    expect(await statusWith(old)).toBe(401);
  });
});
