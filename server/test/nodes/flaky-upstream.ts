import { randomInt } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** An upstream that fails at random, in every way that an upstream can. */
export interface FlakyUpstream {
  readonly url: string;
  /** From now on every answer is a good one. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

/** Tells the upstream's own errors from the gateway's. */
export const OWN_HEADER = 'x-flaky';

const JSON_HEAD = { 'content-type': 'application/json', [OWN_HEADER]: 'yes' };
const STATUSES = [400, 404, 429, 500, 503];
const HUGE_BYTES = 2_000_000;
/** Longer and shorter than the soak's price book lets an answer, a pause and a call take. */
const SLOW_MS = 900;
/** More than the soak's price book has as its maximum, now and then. */
const MOST_ITEMS = 23;

/** Starts it. A path that ends in `events` is answered with a stream of events. */
export async function startFlakyUpstream(): Promise<FlakyUpstream> {
  let isFlaky = true;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const isStream = new URL(request.url ?? '', 'http://upstream').pathname.endsWith('events');
      const dice = isFlaky ? randomInt(100) : 99;
      if (dice < 30) fail(response, dice, isStream);
      else if (isStream) sendEvents(response, isFlaky ? randomInt(20) : 0);
      else response.writeHead(200, JSON_HEAD).end(items());
    });
  });
  server.keepAliveTimeout = 60_000;
  const port = await listen(server, 0);
  const refusing = (async () => {
    while (isFlaky) {
      await delay(randomInt(500, 2_000));
      await refuse(server, port);
    }
  })();
  const heal = () => {
    isFlaky = false;
    return refusing;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    heal,
    close: async () => {
      await heal();
      await stop(server);
    },
  };
}

function fail(response: ServerResponse, dice: number, isStream: boolean): void {
  if (dice < 8) {
    const status = STATUSES[randomInt(STATUSES.length)] ?? 500;
    response.writeHead(status, JSON_HEAD).end('{"error":"flaky"}');
  } else if (dice < 11) response.destroy();
  else if (dice < 15) {
    const whole = items();
    response.writeHead(200, { ...JSON_HEAD, 'content-length': whole.length });
    response.write(whole.slice(0, randomInt(whole.length)));
    setTimeout(() => response.destroy(), randomInt(30));
  } else if (dice < 18) response.writeHead(200, JSON_HEAD).end('{"items": [');
  else if (dice < 20) response.writeHead(200, { 'content-type': 'text/plain' }).end('three items');
  else if (dice < 25) {
    const answer = () => response.writeHead(200, JSON_HEAD).end(items());
    setTimeout(answer, randomInt(SLOW_MS));
  } else if (dice < 28) {
    const text = 'x'.repeat(HUGE_BYTES);
    response.writeHead(200, JSON_HEAD).end(JSON.stringify({ items: [1], text }));
  } else if (isStream) sendEvents(response, 19);
  // What hangs ends by a timeout of the gateway's.
  else if (dice < 29) response.writeHead(200, JSON_HEAD).write('{"items": [');
}

function items(): string {
  const list = Array.from({ length: randomInt(1, MOST_ITEMS) }, (_, item) => item);
  return JSON.stringify({ items: list });
}

/** Events with `usage` in the last but one; 17: without it, 18: broken off, 19: too slow. */
function sendEvents(response: ServerResponse, how: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', [OWN_HEADER]: 'yes' });
  const usage = JSON.stringify({ usage: { output: randomInt(1, MOST_ITEMS) } });
  const parts = Array.from({ length: randomInt(1, 8) }, (_, n) => JSON.stringify({ n }));
  const lines = [...parts, ...(how === 17 ? [] : [usage]), '[DONE]'];
  const next = () => {
    const line = lines.shift();
    if (line === undefined) return response.end();
    if (how === 18 && lines.length === 1) return response.destroy();
    response.write(`data: ${line}\n\n`);
    return setTimeout(next, how === 19 ? SLOW_MS : randomInt(20));
  };
  next();
}

/** Takes no connection for a moment, and ends those that there are. */
async function refuse(server: Server, port: number): Promise<void> {
  await stop(server);
  await delay(randomInt(20, 200));
  await listen(server, port);
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
