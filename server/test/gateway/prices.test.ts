import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { readPriceVersion, startWithFile } from '../../src/gateway/routes/price-books.ts';
import { useCommandLine } from '../command-line.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { newKey, useGateway } from './rig.ts';

const db = useDatabase();
const gateway = useGateway(db, PRICES);

const { purser } = useCommandLine(db.databaseUrl);

/** Writes a price book in which a call costs `fixed`. */
function fileWith(fixed: string, change: (text: string) => string = (text) => text): string {
  const file = gateway.priceBook.replace('.yaml', `-${fixed}.yaml`);
  writeFileSync(file, change(PRICES(gateway.upstream.url, fixed)));
  return file;
}

describe('a price book', () => {
  test('whose secret is missing is not put into effect by a start', async () => {
    const before = await readPriceVersion(db.database);
    const text = PRICES(gateway.upstream.url, '0.9');
    const start = { file: 'prices.yaml', text, secretOf: () => undefined };
    await expect(startWithFile(db.database, start)).rejects.toThrow(/TEST_UPSTREAM_KEY is not set/);
    expect(await readPriceVersion(db.database)).toEqual(before);
  });

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
    const loaded = await purser('prices', 'load', fileWith('0.75'));
    expect(loaded).toMatchObject({
      code: 0,
      out: 'In effect as version 2.\nEach server needs TEST_UPSTREAM_KEY in its environment.\n',
    });
    await expect.poll(costs, { timeout: 10_000 }).toEqual(['0.75', '0.75']);
    const { headers } = await customer.get('/v1/fixed');
    expect(await customer.receipt(String(headers['x-charge-id']))).toMatchObject({
      amount: '0.75',
      call: { price_version: 2 },
    });
    const again = await purser('prices', 'load', fileWith('0.75'), '--json');
    expect(JSON.parse(again.out)).toMatchObject({
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

  test('stays in the database as it was loaded', async () => {
    expect((await purser('prices', 'show')).out).toMatch(/^Version 2, in effect since 20/);
    expect((await purser('prices', 'show', '1', '--text')).out).toBe(
      readFileSync(gateway.priceBook, 'utf8'),
    );
    const shown = JSON.parse((await purser('prices', 'show', '1', '--json')).out);
    expect(shown).toMatchObject({ version: 1, routes: expect.arrayContaining([]) });
    const unknown = await purser('prices', 'show', '9');
    expect(unknown).toMatchObject({
      code: 1,
      errors: expect.stringContaining('There is no version 9.'),
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
    expect((await purser('prices', 'load', fileWith('0.8', changed))).code).toBe(0);
    const cost = async () => (await customer.get('/v1/fixed')).headers['x-credits-charged'];
    await expect.poll(cost, { timeout: 10_000 }).toBe('0.8');
    sent.end('second half');
    const [{ statusCode, headers }] = await answered;
    expect([statusCode, headers['x-credits-charged']]).toEqual([200, '0.75']);
    expect(gateway.upstream.requests.at(-1)?.body).toBe('first half, second half');
  });

  test('that cannot be used is refused with its problems, or leaves the one before in effect', async () => {
    const wrong = await purser(
      'prices',
      'load',
      fileWith('0.1', (text) => text.replaceAll('"', '')),
    );
    expect(wrong.code).toBe(1);
    expect(wrong.errors).toMatch(/prices-0\.1\.yaml:\d+:\d+ /);
    const customer = await gateway.customer('10');
    const other = (text: string) => text.replace('TEST_UPSTREAM_KEY', 'NOT_SET_ANYWHERE');
    expect((await purser('prices', 'load', fileWith('9', other))).code).toBe(0);
    await expect
      .poll(() => gateway.node.output(), { timeout: 10_000 })
      .toContain('the one before stays in effect here');
    expect((await customer.get('/v1/fixed')).headers['x-credits-charged']).toBe('0.8');
  });
});
