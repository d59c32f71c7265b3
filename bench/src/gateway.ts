import { writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { programOf, residentMegabytes, type Server, startServer } from './processes.ts';
import { compare, type Latency, type Memory, type Report } from './report.ts';
import { callsWith, type Measurement, PRICE, PRICE_MICROCENTS } from './sides.ts';

/** Compares the gateway with a bare forwarder before the same upstream. */

/** Clients that read a large answer slowly, and the rate of each. */
const SLOW_CLIENTS = 32;
const BYTES_PER_SECOND = 2 * 1_024 * 1_024;
/** The part of a run after which memory should no longer grow. */
const WARM_UP_PART = 1 / 6;

export interface GatewaySides {
  readonly ours: Server;
  readonly baseline: Server;
}

/** Starts the upstream, the gateway and the baseline. `startOurs` takes the price book's file. */
export async function startGateway(
  folder: string,
  startOurs: (priceBook: string) => Promise<Server>,
): Promise<GatewaySides> {
  const upstream = await startServer(programOf('upstream.ts'));
  const url = `http://127.0.0.1:${upstream.port}`;
  const file = join(folder, 'prices.yaml');
  writeFileSync(file, priceBook(url));
  return {
    ours: await startOurs(file),
    baseline: await startServer(programOf('forward.ts', url)),
  };
}

const priceBook = (upstream: string): string => `
upstreams:
  bench: { base_url: ${upstream} }
routes:
  search: { methods: [GET], path: /v1/search, scope: search, upstream: bench, price: [{ per_call: "${PRICE}" }] }
  export: { methods: [GET], path: /v1/export, scope: search, upstream: bench, price: [{ per_call: "${PRICE}" }] }
`;

/**
 * Compares calls of a route with a fixed price: one account, many accounts, and the baseline.
 * `soldHot` is the price of all calls with the first key, in microcents.
 */
export async function compareCalls(
  { ours, baseline }: GatewaySides,
  keys: readonly string[],
  measurement: Measurement,
): Promise<{ readonly calls: Report; readonly soldHot: bigint }> {
  const [hot, spread, theirs] = await measurement.of([
    { name: 'ours', ports: [ours.port], work: callsWith(keys.slice(0, 1)) },
    { name: 'ours, many keys', ports: [ours.port], work: callsWith(keys.slice(1)) },
    { name: 'reply-from', ports: [baseline.port], work: callsWith(keys.slice(1)) },
  ]);
  return {
    calls: { gateway: compare(hot, theirs), gateway_many_keys: compare(spread, theirs) },
    soldHot: BigInt(hot?.requests ?? 0) * PRICE_MICROCENTS,
  };
}

/** Latency that the gateway adds to an answer on an idle machine: medians over one connection. */
export async function addedLatency(
  { ours, baseline }: GatewaySides,
  keys: readonly string[],
  measurement: Measurement,
): Promise<Latency> {
  const side = { work: callsWith(keys), connections: 1 };
  const [mine, theirs] = await measurement.of([
    { ...side, name: 'ours', ports: [ours.port] },
    { ...side, name: 'reply-from', ports: [baseline.port] },
  ]);
  if (!mine || !theirs) throw new Error('a side was not measured');
  const inMs = (ms: number) => Math.round(ms * 1_000) / 1_000;
  const added = inMs(mine.medianMs - theirs.medianMs);
  return { ours: inMs(mine.medianMs), baseline: inMs(theirs.medianMs), added };
}

/** The gateway's resident memory while slow clients read large answers of a fast upstream. */
export async function watchMemory(
  { ours }: GatewaySides,
  keys: readonly string[],
  seconds: number,
  say: (line: string) => void,
): Promise<Memory> {
  const start = residentMegabytes(ours.pid);
  const end = performance.now() + seconds * 1_000;
  const isOver = () => performance.now() >= end;
  const taken = { answers: 0, bytes: 0 };
  const clients = Promise.all(
    Array.from({ length: SLOW_CLIENTS }, (_, n) => {
      const options = { port: ours.port, headers: { 'x-api-key': keys[n % keys.length] ?? '' } };
      return takeSlowly(options, isOver, taken);
    }),
  );
  const samples: number[] = [];
  const watching = async () => {
    while (!isOver()) {
      await delay(1_000);
      samples.push(residentMegabytes(ours.pid));
    }
  };
  await Promise.all([clients, watching()]);
  const highestIn = (some: readonly number[]) => Math.max(start, ...some);
  const afterWarmUp = highestIn(samples.slice(0, Math.ceil(samples.length * WARM_UP_PART)));
  const highest = highestIn(samples);
  const rate = Math.round(taken.bytes / seconds / 1_048_576);
  say(`  ${taken.answers} answers of 10 MB, ${rate} MB/s: ${samples.join(' ')} MB`);
  return {
    start,
    after_warm_up: afterWarmUp,
    highest,
    end: samples.at(-1) ?? start,
    growth: highest - afterWarmUp,
  };
}

/** Reads one large answer after the other, each at the rate of a slow line. */
async function takeSlowly(
  options: { readonly port: number; readonly headers: Readonly<Record<string, string>> },
  isOver: () => boolean,
  taken: { answers: number; bytes: number },
): Promise<void> {
  while (!isOver()) {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = { host: '127.0.0.1', path: '/v1/export', agent: false, ...options };
      get(asked, resolve).once('error', reject);
    });
    if (answer.statusCode !== 200) throw new Error(`the gateway answered ${answer.statusCode}`);
    const since = performance.now();
    let bytes = 0;
    for await (const piece of answer as AsyncIterable<Buffer>) {
      bytes += piece.length;
      taken.bytes += piece.length;
      const early = (bytes / BYTES_PER_SECOND) * 1_000 - (performance.now() - since);
      if (early > 0) await delay(early);
      if (isOver()) break;
    }
    taken.answers += 1;
  }
}
