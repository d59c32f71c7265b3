import { randomUUID } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Chance } from './chance.ts';

/** An upstream that fails at random, in every possible way. */
export interface FlakyUpstream {
  readonly url: string;
  /** The ids of the answers that failed: an error, a broken answer, or one that never ended. */
  readonly failed: ReadonlySet<string>;
  /** Makes every answer from now on a good one. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

/** The header with the id of an answer. The beginning of the body has the same id. */
export const ID_HEADER = 'x-answer-id';

const JSON_TYPE = 'application/json';
/** Error statuses to answer with. 401 says that the operator's secret is wrong. */
const STATUSES = [400, 401, 404, 429, 500, 503];
const HUGE_BYTES = 2_000_000;
/** The longest delay: it can exceed the soak's timeouts for an answer, a pause and a call. */
const SLOW_MS = 900;
/** The most items of an answer. It can exceed the maximum in the soak's price book. */
const MOST_ITEMS = 23;

/** Starts the upstream. A path that ends in `events` gets a stream of events. */
export async function startFlakyUpstream(chance: Chance): Promise<FlakyUpstream> {
  let isFlaky = true;
  const failed = new Set<string>();
  /** The answers under way, by id. */
  const open = new Set<string>();
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const isStream = new URL(request.url ?? '', 'http://upstream').pathname.endsWith('events');
      const dice = isFlaky ? chance.below(100) : 99;
      const id = randomUUID();
      open.add(id);
      response.on('close', () => open.delete(id)).setHeader(ID_HEADER, id);
      if (dice < FAILING) failed.add(id);
      if (dice < 35) misbehave({ response, id, chance }, dice, isStream);
      else if (isStream) sendEvents({ response, id, chance }, 'well');
      else sendJson(response, items(id, chance));
    });
  });
  server.keepAliveTimeout = 60_000;
  const port = await listen(server, 0);
  const refusing = (async () => {
    while (isFlaky) {
      await delay(chance.between(500, 2_000));
      for (const id of open) failed.add(id);
      await refuse(server, port, chance.between(20, 200));
    }
  })();
  const heal = () => {
    isFlaky = false;
    return refusing;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    failed,
    heal,
    close: async () => {
      await heal();
      await stop(server);
    },
  };
}

/** `misbehave` fails if the dice are below this; else it answers, in a strange way. */
const FAILING = 20;

/** An answer that is due. */
interface Due {
  readonly response: ServerResponse;
  readonly id: string;
  readonly chance: Chance;
}

function misbehave(due: Due, dice: number, isStream: boolean): void {
  const { response, id, chance } = due;
  if (dice < 8) {
    const status = chance.pick(STATUSES);
    response.writeHead(status, { 'content-type': JSON_TYPE }).end(`{"id":"${id}","error":"flaky"}`);
  } else if (dice < 11) response.destroy();
  else if (dice < 15) {
    const whole = items(id, chance);
    response.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': whole.length });
    response.write(whole.slice(0, chance.below(whole.length)));
    setTimeout(() => response.destroy(), chance.below(30));
  } else if (dice < FAILING) {
    // The gateway's timeouts end an answer that hangs.
    if (isStream) sendEvents(due, BAD_STREAMS[dice - 15] ?? 'slowly');
    else if (dice === 15)
      response.writeHead(200, { 'content-type': JSON_TYPE }).write(`{"id":"${id}"`);
    else response.destroy();
  } else if (dice < 23) sendJson(response, `{"id":"${id}","items": [`);
  else if (dice < 25) {
    response.writeHead(200, { 'content-type': 'text/plain' }).end(`${id}: three items`);
  } else if (dice < 30)
    setTimeout(() => sendJson(response, items(id, chance)), chance.below(SLOW_MS));
  else if (dice < 33 || !isStream) {
    sendJson(response, JSON.stringify({ id, items: [1], text: 'x'.repeat(HUGE_BYTES) }));
  } else sendEvents(due, 'uncounted');
}

function sendJson(response: ServerResponse, json: string): void {
  response.writeHead(200, { 'content-type': JSON_TYPE }).end(json);
}

function items(id: string, chance: Chance): string {
  const output = chance.between(1, MOST_ITEMS);
  return JSON.stringify({ id, items: Array.from({ length: output }, () => 0), usage: { output } });
}

const BAD_STREAMS = [
  'broken off',
  'with an error',
  'with an error',
  'with an error',
  'slowly',
] as const;

/** Sends events, with `usage` in the last but one. */
function sendEvents(
  { response, id, chance }: Due,
  how: (typeof BAD_STREAMS)[number] | 'well' | 'uncounted',
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const usage = JSON.stringify({ usage: { output: chance.between(1, MOST_ITEMS) } });
  const parts = Array.from({ length: chance.between(1, 8) }, (_, n) => JSON.stringify({ id, n }));
  const error = how === 'with an error' ? ['{"error": "flaky"}'] : [];
  const lines = [...parts, ...error, ...(how === 'uncounted' ? [] : [usage]), '[DONE]'];
  const next = () => {
    const line = lines.shift();
    if (line === undefined) return response.end();
    if (how === 'broken off' && lines.length === 1) return response.destroy();
    response.write(`data: ${line}\n\n`);
    return setTimeout(next, how === 'slowly' ? SLOW_MS : chance.below(20));
  };
  next();
}

/** Refuses connections for a moment, and closes the open ones. */
async function refuse(server: Server, port: number, forMs: number): Promise<void> {
  await stop(server);
  await delay(forMs);
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
