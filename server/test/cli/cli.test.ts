import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call } from '../nodes/client.ts';
import { type Node, startNode, useNodes } from '../nodes/node.ts';

useNodes();
const PURSER = fileURLToPath(new URL('../../bin/purser.js', import.meta.url));
const dataDir = mkdtempSync(join(tmpdir(), 'purser-cli-'));
const environment = { PURSER_DATA_DIR: dataDir };
let node: Node;

/** The secret of a key in the output of `purser start`. */
const keyIn = (output: string, name: string) =>
  new RegExp(`${name} key +(prs[ro]_\\S+)`).exec(output)?.[1] ?? '';

function purser(args: string[], env: Record<string, string> = environment) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: '/usr/bin:/bin', ...env } };
    execFile(process.execPath, [PURSER, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await purser([...args, '--json']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout).data;
};

beforeAll(async () => {
  node = await startNode(environment);
});

afterAll(async () => {
  await node.end();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('purser start', () => {
  test('prints the demo’s keys once, and the balance is exactly 718924.5', async () => {
    const output = node.output();
    const key = keyIn(output, 'organization');
    expect(output.split(key)).toHaveLength(3);
    expect(keyIn(output, 'individual')).toMatch(/^prsr_/);
    expect(keyIn(output, 'operator')).toMatch(/^prso_/);
    const { body } = await call('GET', `${node.url}/v1/billing/account_balance`, { key });
    expect(body).toMatch(
      /^\{"data":\{"type":"account","id":"[0-9a-f]{64}","attributes":\{"balance":718924\.5\}\}\}$/,
    );
  });

  test('gives the demo a promotional and a paid grant that burn in order', async () => {
    const output = node.output();
    const body = /-d '(\{.*\})'/.exec(output)?.[1] ?? '';
    const answer = await call('POST', `${node.url}/v1/charges`, {
      key: keyIn(output, 'operator'),
      idempotencyKey: 'demo',
      body: JSON.parse(body),
    });
    const { data } = JSON.parse(answer.body);
    const paid = data.attributes.grants.map(({ amount }: { amount: string }) => amount);
    expect(paid).toEqual(['100', '20.5']);
    const grants = await call('GET', `${node.url}/v1/billing/grants`, {
      key: keyIn(output, 'organization'),
    });
    const shown = JSON.parse(grants.body).data.map(
      ({ attributes: { category, remaining, status } }: { attributes: Record<string, string> }) => [
        category,
        remaining,
        status,
      ],
    );
    expect(shown).toEqual([
      ['paid', '718804', 'active'],
      ['promotional', '0', 'ended'],
    ]);
  });

  test('names the cure if its port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const own = mkdtempSync(join(tmpdir(), 'purser-port-'));
    const env = { PURSER_DATA_DIR: own, PURSER_PORT: String(port) };
    const { code, stderr } = await purser(['start'], env);
    other.close();
    rmSync(own, { recursive: true, force: true });
    expect(code).toBe(1);
    expect(stderr).toMatch(/Error: .*cannot listen.*\nDetails: .*\nTo solve it: .*PURSER_PORT/);
  });

  test.each([
    ['PURSER_PORT', 'http'],
    ['PURSER_LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://here'],
    ['PURSER_PROT', '1'],
  ])('refuses %s=%s by name', async (name, value) => {
    const { code, stderr } = await purser(['start'], { ...environment, [name]: value });
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`Error: .*${name}.*\nDetails: .*\nTo solve it: `));
  });

  test('answers what was accepted before it stops, stops PostgreSQL, and starts again', async () => {
    const key = keyIn(node.output(), 'organization');
    let isOver = false;
    const statuses: number[] = [];
    const readers = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        const { status } = await call('GET', `${node.url}/v1/billing/account_balance`, { key });
        statuses.push(status);
        if (status !== 200) return;
      }
    });
    await expect.poll(() => statuses.length).toBeGreaterThan(200);
    expect(await node.end('SIGTERM')).toBe(0);
    isOver = true;
    await Promise.all(readers);
    // 0: the server had stopped and refused the connection; 503: it was stopping.
    expect(statuses.filter((status) => ![200, 503, 0].includes(status))).toEqual([]);
    expect(existsSync(join(dataDir, 'postgresql', 'postmaster.pid'))).toBe(false);

    const { stdout } = await purser(['account', 'list']);
    expect(stdout).toContain('Demo Organization');
    node = await startNode(environment);
    expect(node.output()).not.toMatch(/prs|operator-key create/);
    const again = await call('GET', `${node.url}/v1/billing/account_balance`, { key });
    expect(again.status).toBe(200);
  });
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
    const { stdout } = await purser(['balance', '--account', account.id, '--json']);
    const { body } = await call('GET', `${node.url}/v1/accounts/${account.id}/balance`, {
      key: operator.attributes.key,
    });
    expect(stdout).toBe(`${body}\n`);
    expect(JSON.parse(body).data.attributes.available).toBe('12.5');

    const made = await json('key', 'create', '--account', account.id);
    const read = () =>
      call('GET', `${node.url}/v1/billing/account_balance`, { key: made.attributes.key });
    expect((await read()).status).toBe(200);
    expect((await purser(['account', 'suspend', account.id])).code).toBe(0);
    expect((await read()).status).toBe(403);
    expect((await purser(['account', 'resume', account.id])).code).toBe(0);
    expect((await purser(['key', 'revoke', made.id])).code).toBe(0);
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
    const shown = await purser(['statement', ...of, ...period]);
    expect(shown.stdout).toMatch(/charge +revenue +paid +1 +-2.5/);
    const csv = await purser(['statement', ...of, ...period, '--csv']);
    const query = `from=2026-01-01T00:00:00Z&to=${to}&format=csv`;
    const { body } = await call('GET', `${node.url}/v1/accounts/${account.id}/statement?${query}`, {
      key: attributes.key,
    });
    expect(csv.stdout).toBe(body);
    expect((await purser(['statement', ...of, '--from', to])).code).toBe(2);
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
    const voided = await purser(['grant', 'void', grant.id, '--reason', 'refund']);
    expect(voided.stdout).toContain('taken back');
    expect((await json('balance', ...of)).attributes.available).toBe('0');
    const late = await purser(['hold', 'capture', hold.id, '--amount', '1']);
    expect([late.code, late.stderr]).toEqual([1, expect.stringContaining('captured at')]);
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
    const { stdout } = await purser(['key', 'rotate', id]);
    const third = /prsr_\w{49}/.exec(stdout)?.[0] ?? '';
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
      expect((await purser(['limit', 'clear', ...limit])).stdout).toContain('was removed');
      const gone = await purser(['limit', 'show', ...limit]);
      expect([gone.code, gone.stderr]).toEqual([
        1,
        expect.stringContaining('No spend limit is set'),
      ]);
    }
    const neither = await purser(['limit', 'show', '--period', 'day']);
    expect([neither.code, neither.stderr]).toEqual([
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
    expect((await purser(['operator-key', 'revoke', id])).code).toBe(0);
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
    const file = join(dataDir, 'keys.csv');
    writeFileSync(
      file,
      `sha256,name,scopes\n${hashes[0]},one,balance:read search\nnonsense,two,\n${hashes[1]},,\n`,
    );
    const args = ['key', 'import', '--account', account.id, '--file', file];
    const first = await purser(args);
    expect(first.code).toBe(1);
    expect(first.stderr).toContain('line 3');
    expect(first.stdout).toBe('2 imported, 0 already there, 1 refused\n');
    expect((await purser(args)).stdout).toBe('0 imported, 2 already there, 1 refused\n');
    const { status } = await call('GET', `${node.url}/v1/billing/account_balance`, { key: 'k1' });
    expect(status).toBe(200);
    expect(await json('key', 'list', '--account', account.id)).toHaveLength(2);
  });

  test('tells an error in three parts and ends with 1; with --json it is the API’s body', async () => {
    const missing = ['balance', '--account', 'f'.repeat(64)];
    const { code, stderr } = await purser(missing);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: There is no such account\.\nDetails: .*404.*\nTo solve it: ./);
    const asJson = await purser([...missing, '--json']);
    expect(asJson.code).toBe(1);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ code: 'account_not_found' });
  });

  test('has help with an example for each command, and refuses unknown words with exit code 2', async () => {
    for (const args of [[], ['account'], ['key', 'import'], ['grant', 'create'], ['verify']]) {
      const { code, stdout } = await purser([...args, '--help']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples?:\n +purser /);
    }
    expect((await purser(['nonsense'])).code).toBe(2);
  });

  test('verifies the books', async () => {
    const { code, stdout } = await purser(['verify']);
    expect(stdout).toContain('The books add up');
    expect(code).toBe(0);
  });
});
