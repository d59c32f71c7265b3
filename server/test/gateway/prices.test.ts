import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { newKey, useGateway } from './rig.ts';

const PURSER = fileURLToPath(new URL('../../bin/purser.js', import.meta.url));

const db = useDatabase();
const gateway = useGateway(db, PRICES);

/** Runs the command line on the same database. */
function purser(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PURSER, ...args], {
    env: { PATH: '/usr/bin:/bin', DATABASE_URL: db.databaseUrl },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** Writes a price book in which a call costs `fixed`. */
function fileWith(fixed: string, change: (text: string) => string = (text) => text): string {
  const file = gateway.priceBook.replace('.yaml', `-${fixed}.yaml`);
  writeFileSync(file, change(PRICES(gateway.upstream.url, fixed)));
  return file;
}

describe('a price book', () => {
  test('that is loaded is in effect on all nodes, without a restart', async () => {
    const node = await gateway.another();
    const customer = await gateway.customer('10000');
    const costs = async () => {
      const answers = [
        await customer.get('/v1/fixed'),
        await customer.get('/v1/fixed', { url: node.url }),
      ];
      return answers.map(({ headers }) => headers['x-credits-charged']);
    };
    expect(await costs()).toEqual(['0.5', '0.5']);
    const loaded = purser('prices', 'load', fileWith('0.75'));
    expect(loaded).toMatchObject({
      status: 0,
      stdout: 'In effect as version 2.\nEach server needs TEST_UPSTREAM_KEY in its environment.\n',
    });
    await expect.poll(costs, { timeout: 10_000 }).toEqual(['0.75', '0.75']);
    const { headers } = await customer.get('/v1/fixed');
    expect(await customer.receipt(String(headers['x-charge-id']))).toMatchObject({
      amount: '0.75',
      call: { price_version: 2 },
    });
    expect(JSON.parse(purser('prices', 'load', fileWith('0.75'), '--json').stdout)).toMatchObject({
      version: 2,
      is_new: false,
    });
    await node.end();
  });

  test('that was replaced is not put back by a node that starts with its file', async () => {
    const node = await gateway.another();
    const customer = await gateway.customer('10');
    const { headers } = await customer.get('/v1/fixed', { url: node.url });
    expect(headers['x-credits-charged']).toBe('0.75');
    expect(node.output()).toContain('the newer version stays in effect');
    await node.end();
  });

  test('stays in the database as it was loaded', () => {
    expect(purser('prices', 'show').stdout).toMatch(/^Version 2, in effect since 20/);
    expect(purser('prices', 'show', '1', '--text').stdout).toBe(
      readFileSync(gateway.priceBook, 'utf8'),
    );
    const shown = JSON.parse(purser('prices', 'show', '1', '--json').stdout);
    expect(shown).toMatchObject({ version: 1, routes: expect.arrayContaining([]) });
    const unknown = purser('prices', 'show', '9');
    expect(unknown).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('There is no version 9.'),
    });
  });

  test('cannot be changed once it is loaded, by the role that the server works under', async () => {
    const change = { name: 'change', text: `update price_books set text = ''` };
    await expect(db.database.rows(change)).rejects.toMatchObject({ cause: { code: '42501' } });
  });

  test('that changes an upstream lets a call end whose body is still on its way', async () => {
    const customer = await gateway.customer('10000');
    const sent = request(`${gateway.url}/v1/fixed`, {
      method: 'POST',
      headers: { 'x-api-key': customer.key, 'idempotency-key': newKey(), expect: '100-continue' },
    });
    const answered = once(sent, 'response');
    sent.flushHeaders();
    await once(sent, 'continue');
    sent.write('first half, ');
    const changed = (text: string) => text.replace('answer_timeout_s: 30', 'answer_timeout_s: 29');
    expect(purser('prices', 'load', fileWith('0.8', changed)).status).toBe(0);
    const cost = async () => (await customer.get('/v1/fixed')).headers['x-credits-charged'];
    await expect.poll(cost, { timeout: 10_000 }).toBe('0.8');
    sent.end('second half');
    const [{ statusCode, headers }] = await answered;
    expect([statusCode, headers['x-credits-charged']]).toEqual([200, '0.75']);
    expect(gateway.upstream.requests.at(-1)?.body).toBe('first half, second half');
  });

  test('that cannot be used is refused with its problems, or leaves the one before in effect', async () => {
    const wrong = purser(
      'prices',
      'load',
      fileWith('0.1', (text) => text.replaceAll('"', '')),
    );
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toMatch(/prices-0\.1\.yaml:\d+:\d+ /);
    const customer = await gateway.customer('10');
    const other = (text: string) => text.replace('TEST_UPSTREAM_KEY', 'NOT_SET_ANYWHERE');
    expect(purser('prices', 'load', fileWith('9', other)).status).toBe(0);
    await expect
      .poll(() => gateway.node.output(), { timeout: 10_000 })
      .toContain('the one before stays in effect here');
    expect((await customer.get('/v1/fixed')).headers['x-credits-charged']).toBe('0.8');
  });
});
