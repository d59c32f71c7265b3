import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useCommandLine } from '../command-line.ts';
import { call } from '../nodes/client.ts';
import { useDatabase } from '../postgres.ts';
import { type Server, startServer, useServers } from '../server.ts';

/** Commands beside a server on the same database. */

const db = useDatabase();
useServers();
const { purser, json } = useCommandLine(db.databaseUrl);
const folder = mkdtempSync(join(tmpdir(), 'purser-cli-'));
let node: Server;

beforeAll(async () => {
  node = await startServer({ DATABASE_URL: db.databaseUrl });
});

afterAll(async () => {
  await node.end();
  rmSync(folder, { recursive: true, force: true });
});

describe('the command line', () => {
  test('makes accounts, keys and grants; --json is the API’s answer byte for byte', async () => {
    const account = await json('account', 'create', '--kind', 'organization', '--name', 'Acme');
    const operator = await json('operator-key', 'create', '--name', 'cli');
    const grant = ['grant', 'create', '--account', account.id, '--amount', '12.50'];
    const given = await json(...grant, '--category', 'promotional', '--idempotency-key', 'once');
    expect(given.attributes).toMatchObject({ amount: '12.5', category: 'promotional' });
    expect(await json(...grant, '--category', 'promotional', '--idempotency-key', 'once')).toEqual(
      given,
    );
    const { out } = await purser('balance', '--account', account.id, '--json');
    const { body } = await call('GET', `${node.url}/v1/accounts/${account.id}/balance`, {
      key: operator.attributes.key,
    });
    expect(out).toBe(`${body}\n`);
    expect(JSON.parse(body).data.attributes.available).toBe('12.5');

    const made = await json('key', 'create', '--account', account.id);
    const read = () =>
      call('GET', `${node.url}/v1/billing/account_balance`, { key: made.attributes.key });
    expect((await read()).status).toBe(200);
    expect((await purser('account', 'suspend', account.id)).code).toBe(0);
    expect((await read()).status).toBe(403);
    expect((await purser('account', 'resume', account.id)).code).toBe(0);
    expect((await purser('key', 'revoke', made.id)).code).toBe(0);
    expect((await read()).status).toBe(401);
  });

  test('tells history: entries, charges, past balances, statements and usage, as the API does', async () => {
    const account = await json('account', 'create', '--kind', 'organization', '--name', 'Past');
    const { attributes } = await json('operator-key', 'create');
    const of = ['--account', account.id];
    await json('grant', 'create', ...of, '--amount', '10');
    const made = await call('POST', `${node.url}/v1/charges`, {
      key: attributes.key,
      idempotencyKey: 'history',
      body: { account: account.id, amount: '2.5', scope: 'search' },
    });
    expect(made.status).toBe(201);
    const [charge] = await json('charge', 'list', ...of, '--scope', 'search');
    expect(charge.attributes).toMatchObject({ amount: '2.5', reversed: '0', hold: null });
    expect(await json('entry', 'list', ...of, '--kind', 'charge')).toHaveLength(1);
    expect(await json('grant', 'list', ...of, '--status', 'active')).toHaveLength(1);
    const [line] = await json('usage', ...of, '--group-by', 'scope');
    expect(line.attributes).toMatchObject({ scope: 'search', net: '2.5' });

    const to = new Date(Date.parse(charge.attributes.created_at) + 1).toISOString();
    const period = ['--from', '2026-01-01T00:00:00Z', '--to', to];
    const statement = await json('statement', ...of, ...period);
    expect(statement.attributes.closing.posted).toBe('7.5');
    expect((await json('balance', ...of, '--at', to)).attributes.posted).toBe('7.5');
    const shown = await purser('statement', ...of, ...period);
    expect(shown.out).toMatch(/charge +revenue +paid +1 +-2.5/);
    const csv = await purser('statement', ...of, ...period, '--csv');
    const query = `from=2026-01-01T00:00:00Z&to=${to}&format=csv`;
    const { body } = await call('GET', `${node.url}/v1/accounts/${account.id}/statement?${query}`, {
      key: attributes.key,
    });
    expect(csv.out).toBe(body);
    expect((await purser('statement', ...of, '--from', to)).code).toBe(2);
  });

  test('moves money: holds, captures, charges, reversals, adjustments, and grants with an end', async () => {
    const account = await json('account', 'create', '--kind', 'organization', '--name', 'Moves');
    const of = ['--account', account.id];
    const times = ['--expires-at', '2040-01-01T00:00:00Z', '--applies-to', 'search'];
    const grant = await json('grant', 'create', ...of, '--amount', '10', ...times);
    expect(grant.attributes).toMatchObject({ applies_to: ['search'], status: 'active' });
    const extended = await json('grant', 'extend', grant.id, '--expires-at', 'never');
    expect(extended.attributes.expires_at).toBeNull();
    const terms = ['--amount', '4', '--expires-in', '60', '--scope', 'search'];
    const hold = await json('hold', 'create', ...of, ...terms);
    const captured = await json('hold', 'capture', hold.id, '--amount', '1.5');
    expect(captured.attributes).toMatchObject({ captured: '1.5', available: '8.5' });
    expect((await json('hold', 'show', hold.id)).attributes.status).toBe('captured');
    const other = await json('hold', 'create', ...of, ...terms);
    expect((await json('hold', 'void', other.id)).attributes.status).toBe('voided');
    const spend = ['--amount', '2', '--scope', 'search', '--idempotency-key', 'once'];
    const charge = await json('charge', 'create', ...of, ...spend);
    expect((await json('charge', 'create', ...of, ...spend)).id).toBe(charge.id);
    const reversed = await json('charge', 'reverse', charge.id, '--reason', 'bad');
    expect(reversed.attributes).toMatchObject({ amount: '2', available: '8.5' });
    expect((await json('charge', 'show', charge.id)).attributes.reversed).toBe('2');
    const down = await json('adjustment', 'create', ...of, '--amount=-0.5', '--reason', 'twice');
    expect(down.attributes.available).toBe('8');
    const voided = await purser('grant', 'void', grant.id, '--reason', 'refund');
    expect(voided.out).toContain('taken back');
    expect((await json('balance', ...of)).attributes.available).toBe('0');
    const late = await purser('hold', 'capture', hold.id, '--amount', '1');
    expect([late.code, late.errors]).toEqual([1, expect.stringContaining('captured at')]);
  });

  test('changes and rotates keys, and limits what is spent', async () => {
    const account = await json('account', 'create', '--kind', 'individual', '--name', 'Grace');
    const { id, attributes } = await json('key', 'create', '--account', account.id);
    const statusWith = async (key: string) =>
      (await call('GET', `${node.url}/v1/billing/account_balance`, { key })).status;
    const ends = await json('key', 'update', id, '--expires-at', '2040-01-01T00:00:00Z');
    expect(ends.attributes.expires_at).toBe('2040-01-01T00:00:00.000Z');
    const update = ['key', 'update', id, '--name', 'b', '--scopes', 'balance:read,search'];
    const updated = await json(...update, '--expires-at', 'never');
    expect(updated.attributes).toMatchObject({
      name: 'b',
      scopes: ['balance:read', 'search'],
      expires_at: null,
    });
    const second = (await json('key', 'rotate', id, '--grace-s', '600')).attributes.key;
    expect([await statusWith(attributes.key), await statusWith(second)]).toEqual([200, 200]);
    const { out } = await purser('key', 'rotate', id);
    const third = /prsr_\w{49}/.exec(out)?.[0] ?? '';
    expect(await Promise.all([attributes.key, second, third].map(statusWith))).toEqual([
      401, 401, 200,
    ]);

    for (const [holder, limited] of [
      ['--account', account.id],
      ['--key', id],
    ]) {
      const limit = [holder, limited, '--period', 'month'];
      const set = await json('limit', 'set', ...limit, '--amount', '12.50');
      expect(set).toMatchObject({
        id: `${limited}/month`,
        attributes: { amount: '12.5', used: '0' },
      });
      expect(await json('limit', 'show', ...limit)).toEqual(set);
      expect((await purser('limit', 'clear', ...limit)).out).toContain('was removed');
      const gone = await purser('limit', 'show', ...limit);
      expect([gone.code, gone.errors]).toEqual([
        1,
        expect.stringContaining('No spend limit is set'),
      ]);
    }
    const neither = await purser('limit', 'show', '--period', 'day');
    expect([neither.code, neither.errors]).toEqual([
      2,
      expect.stringContaining('either --account'),
    ]);
  });

  test('revokes operator keys: the next request is 401', async () => {
    const { id, attributes } = await json('operator-key', 'create', '--scopes', 'ledger:read');
    const ask = () => call('GET', `${node.url}/v1/accounts`, { key: attributes.key });
    expect((await ask()).status).toBe(200);
    const denied = await call('POST', `${node.url}/v1/accounts`, { key: attributes.key, body: {} });
    expect(denied.status).toBe(403);
    expect((await purser('operator-key', 'revoke', id)).code).toBe(0);
    expect((await ask()).status).toBe(401);
    const listed: { id: string; attributes: { revoked_at: string | null } }[] = await json(
      'operator-key',
      'list',
    );
    expect(listed.find((key) => key.id === id)?.attributes.revoked_at).toMatch(/Z$/);
    expect(JSON.stringify(listed)).not.toContain(attributes.key);
  });

  test('imports keys from a file, names the line of a bad one, and may import it again', async () => {
    const account = await json('account', 'create', '--kind', 'individual', '--name', 'Ada');
    const hashes = ['k1', 'k2'].map((key) => createHash('sha256').update(key).digest('hex'));
    const file = join(folder, 'keys.csv');
    writeFileSync(
      file,
      `sha256,name,scopes\n${hashes[0]},one,balance:read search\nnonsense,two,\n${hashes[1]},,\n`,
    );
    const args = ['key', 'import', '--account', account.id, '--file', file];
    const first = await purser(...args);
    expect(first.code).toBe(1);
    expect(first.errors).toContain('line 3');
    expect(first.out).toBe('2 imported, 0 already there, 1 refused\n');
    expect((await purser(...args)).out).toBe('0 imported, 2 already there, 1 refused\n');
    const { status } = await call('GET', `${node.url}/v1/billing/account_balance`, { key: 'k1' });
    expect(status).toBe(200);
    expect(await json('key', 'list', '--account', account.id)).toHaveLength(2);
  });

  test('tells an error in three parts and ends with 1; with --json it is the API’s body', async () => {
    const missing = ['balance', '--account', 'f'.repeat(64)];
    const { code, errors } = await purser(...missing);
    expect(code).toBe(1);
    expect(errors).toMatch(/^Error: There is no such account\.\nDetails: .*404.*\nTo solve it: ./);
    const asJson = await purser(...missing, '--json');
    expect(asJson.code).toBe(1);
    expect(JSON.parse(asJson.out)).toMatchObject({ code: 'account_not_found' });
  });

  test('has help with an example for each command, and refuses unknown words with exit code 2', async () => {
    for (const args of [[], ['account'], ['key', 'import'], ['grant', 'create'], ['verify']]) {
      const { code, out } = await purser(...args, '--help');
      expect(code).toBe(0);
      expect(out).toMatch(/Examples?:\n +purser /);
    }
    expect((await purser('nonsense')).code).toBe(2);
  });

  test('verifies the books', async () => {
    const { code, out } = await purser('verify');
    expect(out).toContain('The books add up');
    expect(code).toBe(0);
  });
});
