import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { call } from '../nodes/client.ts';
import { startNode, useNodes } from '../nodes/node.ts';
import { useDatabase } from '../postgres.ts';
import { PRICES } from './prices-text.ts';
import { useGatewayBy } from './rig.ts';

const db = useDatabase();
useNodes();
const gateway = useGatewayBy(startNode, db, PRICES);

const MEGABYTE = 1_048_576;

/** The resident memory of a process in bytes, from Linux's /proc. */
function rssOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
}

describe('a streamed answer', () => {
  test('comes event by event, and states its cost at the end', async () => {
    const customer = await gateway.customer('10');
    const pieces: string[] = [];
    const answer = await new Promise<{ trailers: object; headers: object }>((resolve) => {
      const headers = { 'x-api-key': customer.key };
      request(`${gateway.url}/v1/events?do=events&items=7`, { headers }, (events) => {
        events.setEncoding('utf8').on('data', (piece) => pieces.push(piece));
        events.on('end', () => resolve(events));
      }).end();
    });
    // The upstream waits between the events: without streaming they would come as one chunk.
    expect(pieces.length).toBeGreaterThanOrEqual(4);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/event-stream',
      trailer: 'X-Credits-Charged, X-Credits-Remaining, X-Charge-Id',
      'x-hold-id': expect.stringMatching(/^hld_/),
    });
    expect(answer.headers).not.toHaveProperty('x-credits-charged');
    expect(answer.trailers).toEqual({
      'x-credits-charged': '0.7',
      'x-credits-remaining': '9.3',
      'x-charge-id': expect.stringMatching(/^chg_/),
    });
    const { 'x-hold-id': hold } = answer.headers as Record<string, string>;
    const { 'x-charge-id': charge } = answer.trailers as Record<string, string>;
    expect(await customer.receipt(hold)).toEqual(await customer.receipt(charge));
  });

  test('that is no longer read ends at the upstream at once', async () => {
    const customer = await gateway.customer('10');
    const before = gateway.upstream.aborted();
    await customer.get('/v1/events?do=events&then=silence', { leaveAfter: 30 });
    await expect.poll(() => gateway.upstream.aborted()).toBe(before + 1);
    await customer.get('/v1/fixed?do=silence', { leaveAfter: 0 });
    await expect.poll(() => gateway.upstream.aborted()).toBe(before + 2);
  });

  test('waits for slow clients, in bounded memory', async () => {
    const customer = await gateway.customer('100');
    await customer.get('/v1/fixed');
    const before = rssOf(gateway.node.process.pid);
    const size = 64 * MEGABYTE;
    const headers = { 'x-api-key': customer.key };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => paused(`/v1/fixed?do=pour&bytes=${size}`, headers)),
    );
    // By now all that an unread answer can fill is full: the buffers of sockets and streams.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(rssOf(gateway.node.process.pid) - before).toBeLessThan(64 * MEGABYTE);
    const lengths = await Promise.all(answers.map((read) => read()));
    expect(lengths).toEqual(Array.from({ length: 8 }, () => size));
    expect(await customer.balance()).toBe('95.5');
  }, 60_000);

  test('that a client takes too slowly is paid', async () => {
    const customer = await gateway.customer('10');
    const headers = { 'x-api-key': customer.key };
    const read = await paused(`/v1/short?do=pour&bytes=${64 * MEGABYTE}`, headers);
    await expect.poll(() => endingsOf(customer.account), { timeout: 5_000 }).toEqual(MIDWAY);
    expect(await read()).toBeLessThan(64 * MEGABYTE);
    expect(await customer.balance()).toBe('9.5');
  });

  test('that a client has held up is paid, though the client hurries at the end', async () => {
    const customer = await gateway.customer('10');
    const headers = { 'x-api-key': customer.key };
    const size = 24 * MEGABYTE;
    const read = await paused(`/v1/short?do=pour&bytes=${size}&then=silence`, headers);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await read()).toBe(size);
    await expect.poll(() => endingsOf(customer.account), { timeout: 5_000 }).toEqual(MIDWAY);
    expect(await customer.balance()).toBe('9.5');
  });

  test('that the upstream holds up is paid, since a part of it was delivered', async () => {
    const customer = await gateway.customer('10');
    const headers = { 'x-api-key': customer.key };
    const size = 24 * MEGABYTE;
    const read = await paused(`/v1/short?do=pour&bytes=${size}&then=silence`, headers);
    expect(await read()).toBe(size);
    await expect
      .poll(() => endingsOf(customer.account), { timeout: 5_000 })
      .toEqual([{ ending: expect.stringMatching(/^(time_exceeded|client_left_midway)$/) }]);
    expect(await customer.balance()).toBe('9.5');
  });
});

const MIDWAY = [{ ending: 'client_left_midway' }];

/** The endings of an account's calls. */
function endingsOf(account: string) {
  return db.query('select ending from call_endings where account_id = $1', [account.slice(0, 32)]);
}

/** Gets the head of an answer and pauses. Resolves with a function that reads the body's length. */
function paused(
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<() => Promise<number>> {
  return new Promise((resolve) => {
    request(`${gateway.url}${path}`, { headers, agent: false }, (answer) => {
      answer.pause();
      resolve(
        () =>
          new Promise((done) => {
            let length = 0;
            answer.on('data', (piece) => {
              length += piece.length;
            });
            answer.on('close', () => done(length));
            answer.on('error', () => {});
            answer.resume();
          }),
      );
    }).end();
  });
}

describe.concurrent('a gateway that stops', () => {
  test('lets calls end that are under way, and answers them', async ({ expect }) => {
    const node = await gateway.another();
    const customer = await gateway.customer('10');
    const under = customer.get('/v1/events?do=events&items=5', { url: node.url });
    await expect
      .poll(() => gateway.upstream.requests.some(({ url }) => url.endsWith('items=5')))
      .toBe(true);
    expect(await node.end()).toBe(0);
    expect((await under).trailers['x-credits-charged']).toBe('0.5');
  });

  test('says from the first moment that it is not ready, and begins nothing', async ({
    expect,
  }) => {
    const node = await gateway.another();
    const customer = await gateway.customer('10');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const status = (path: string) =>
      new Promise<number | undefined>((resolve) => {
        const headers = { 'x-api-key': customer.key };
        const asked = request(`${node.url}${path}`, { agent, headers }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode));
        });
        // A stopping gateway closes idle connections and accepts no new ones: this counts as 503.
        asked.on('error', () => resolve(503)).end();
      });
    expect(await status('/readyz')).toBe(200);
    const under = customer.get('/v1/fixed?do=late&mark=stops', { url: node.url });
    await expect
      .poll(() => gateway.upstream.requests.some(({ url }) => url.includes('mark=stops')))
      .toBe(true);
    const ended = node.end();
    await expect.poll(() => status('/readyz'), { interval: 5 }).toBe(503);
    expect((await under).status).toBe(200);
    expect(await ended).toBe(0);
    agent.destroy();
  });

  test('ends calls that take too long, and settles them', async ({ expect }) => {
    const node = await gateway.another();
    const customer = await gateway.customer('10');
    const under = customer.get('/v1/events?do=events&then=silence&mark=cut', { url: node.url });
    await expect
      .poll(() => gateway.upstream.requests.some(({ url }) => url.includes('mark=cut')))
      .toBe(true);
    expect(await node.end()).toBe(0);
    expect((await under).isWhole).toBe(false);
    expect(await customer.balance()).toBe('10');
    const held = 'select from holds where account_id = $1';
    expect(await db.query(held, [customer.account.slice(0, 32)])).toEqual([]);
  }, 20_000);

  test('begins no call if its body comes after that', async ({ expect }) => {
    const node = await gateway.another();
    const customer = await gateway.customer('10');
    const body = '{"effort":"high"}';
    const sent = request(`${node.url}/v1/effort`, {
      method: 'POST',
      headers: {
        'x-api-key': customer.key,
        'content-type': 'application/json',
        'content-length': body.length,
      },
    });
    const answered = new Promise<number | undefined>((resolve) => {
      sent.on('response', ({ statusCode }) => resolve(statusCode));
    });
    sent.write(body.slice(0, 5));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const ended = node.end();
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    sent.end(body.slice(5));
    expect([await answered, await ended]).toEqual([503, 0]);
    expect(await customer.balance()).toBe('10');
  }, 20_000);
});

describe('a gateway that is killed', () => {
  test('leaves a fixed price paid, with an ending that is unknown', async () => {
    const customer = await gateway.customer('10');
    await killedDuring(customer.get.bind(customer), '/v1/short?do=silence&mark=killed-fixed');
    const [charge] = await chargesOf(customer.account);
    expect(charge).toMatchObject({ amount: '0.5', call: { ending: 'in_progress' } });
    // Moves the deadline into the past: the call may take a second, its settlement a minute more.
    await db.query(
      `update operations set call = jsonb_set(call::jsonb, '{until}', '0') where call is not null`,
    );
    const [later] = await chargesOf(customer.account);
    expect(later).toMatchObject({ amount: '0.5', reversed: '0', call: { ending: 'unknown' } });
  });

  test('leaves a hold that ends by itself', async () => {
    const customer = await gateway.customer('10');
    await killedDuring(
      customer.get.bind(customer),
      '/v1/events?do=events&then=silence&mark=killed-hold',
    );
    expect(await customer.balance()).toBe('8');
    const account = customer.account.slice(0, 32);
    // Makes the hold expire now; it would outlive its call by a minute.
    const now = `date_trunc('milliseconds', now())`;
    for (const change of [
      `operations set expires_at = ${now} where kind = 'hold' and account_id = $1`,
      `holds set expires_at = ${now} where account_id = $1`,
      `balances set next_due_at = ${now} where account_id = $1`,
    ]) {
      await db.query(`update ${change}`, [account]);
    }
    expect(await customer.balance()).toBe('10');
    await expect.poll(() => db.query('select from holds'), { timeout: 5_000 }).toEqual([]);
  });
});

async function killedDuring(
  get: (path: string, options: { url: string }) => Promise<{ isWhole: boolean }>,
  path: string,
): Promise<void> {
  const node = await gateway.another();
  const under = get(path, { url: node.url });
  const mark = path.slice(path.indexOf('mark='));
  await expect
    .poll(() => gateway.upstream.requests.some(({ url }) => url.includes(mark)))
    .toBe(true);
  await node.end('SIGKILL');
  expect((await under).isWhole).toBe(false);
}

async function chargesOf(account: string): Promise<Record<string, unknown>[]> {
  const url = `${gateway.url}/v1/accounts/${account}/charges`;
  const answer = await call('GET', url, { key: gateway.operatorKey });
  return JSON.parse(answer.body).data.map((item: { attributes: object }) => item.attributes);
}
