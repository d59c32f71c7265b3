import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call } from '../nodes/client.ts';
import { type Node, startNode, useNodes } from '../nodes/node.ts';

/** The command in processes of its own: a server on an embedded PostgreSQL, and commands beside it. */

useNodes();
const PURSER = fileURLToPath(new URL('../../bin/purser.js', import.meta.url));
const dataDir = mkdtempSync(join(tmpdir(), 'purser-cli-'));
const environment = { PURSER_DATA_DIR: dataDir };
let node: Node;

/** A key of the demo, as the start prints it; empty if it prints none. */
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

  test('refuses a value that cannot be, by its variable’s name', async () => {
    const { code, stderr } = await purser(['start'], { ...environment, PURSER_PORT: 'http' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/Error: .*PURSER_PORT.*\nDetails: .*\nTo solve it: /);
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
    // 0: the connection was refused after the stop; 503: it came while the server was stopping.
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

describe('a command', () => {
  test('ends with 0, 1 or 2, and tells errors on standard error', async () => {
    const done = await purser(['verify']);
    expect([done.code, done.stderr]).toEqual([0, '']);
    expect(done.stdout).toContain('The books add up');
    const failed = await purser(['balance', '--account', 'f'.repeat(64)]);
    expect([failed.code, failed.stdout]).toEqual([1, '']);
    expect(failed.stderr).toMatch(/^Error: There is no such account\.\nDetails: /);
    expect((await purser(['nonsense'])).code).toBe(2);
  });

  test('ends without an error when its reader has gone', async () => {
    const command = spawn(process.execPath, [PURSER, '--help'], {
      env: { PATH: '/usr/bin:/bin' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    command.stdout.destroy();
    let errors = '';
    command.stderr.on('data', (data) => {
      errors += data;
    });
    expect([await once(command, 'close'), errors]).toEqual([[0, null], '']);
  });
});
