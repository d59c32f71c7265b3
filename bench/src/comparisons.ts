import { parseCents } from '../../server/src/ledger/operations/money.ts';
import { addedLatency, compareCalls, type GatewaySides, watchMemory } from './gateway.ts';
import { residentMegabytes, type Server } from './processes.ts';
import { type Comparison, compare, type Report, ratioOf } from './report.ts';
import type { Seeds } from './seed.ts';
import {
  balanceReads,
  chargesTo,
  holdsOn,
  type Measurement,
  PRICE_MICROCENTS,
  type Side,
} from './sides.ts';

/** Names that --only accepts, in the order of a run. */
export const NAMES = [
  'balance_reads',
  'balance_reads_many_keys',
  'charges_hot',
  'charges_spread',
  'charges_two_nodes',
  'holds_hot',
  'charges_grown',
  'gateway',
  'gateway_latency_ms',
  'gateway_memory_mb',
] as const;
/** The group `gateway`. */
export const OF_GATEWAY = NAMES.filter((name) => name.startsWith('gateway'));
/** A plain run. It omits `charges_grown`, whose ledger takes minutes to make. */
export const BY_DEFAULT = NAMES.filter(
  (name) => name !== 'charges_grown' && !OF_GATEWAY.includes(name),
);

export type Name = (typeof NAMES)[number];

/** The servers of a run and their seeds. */
export interface Bench {
  readonly ours: Server;
  readonly constant: Server;
  readonly textbook: Server;
  readonly seeds: Seeds;
  readonly measurement: Measurement;
  /** Starts a second server of ours on the same database, only when a comparison needs it. */
  startSecond(): Promise<Server>;
  /** Starts a server of ours on another database, whose ledger holds millions of entries. */
  startGrown(): Promise<{ readonly server: Server; readonly seeds: Seeds }>;
  /** Starts the gateway, its upstream and the baseline, once. */
  gateway(): Promise<GatewaySides>;
  /** Length of the memory watch. */
  readonly memorySeconds: number;
  readonly say: (line: string) => void;
}

type Compare = (bench: Bench) => Promise<Report>;

const COMPARISONS: Readonly<Record<Name, Compare>> = {
  balance_reads: async (bench) => ({
    balance_reads: await compareReads(bench, bench.seeds.customerKeys.slice(0, 1)),
  }),

  balance_reads_many_keys: async (bench) => ({
    balance_reads_many_keys: await compareReads(bench, bench.seeds.customerKeys),
  }),

  charges_hot: async (bench) => {
    const { ours, seeds, measurement } = bench;
    const [hot = ''] = seeds.accounts;
    const before = await availableOf(bench, hot);
    const [mine, theirs] = await measurement.of(chargeSides(bench, [ours], [hot]));
    const lost = before - (await availableOf(bench, hot));
    const sold = BigInt(mine?.requests ?? 0) * PRICE_MICROCENTS;
    if (lost !== sold) {
      throw new Error(`The charges answered add up to ${sold} microcents; ${lost} are gone.`);
    }
    return { charges_hot: compare(mine, theirs) };
  },

  charges_spread: async (bench) => {
    const { ours, seeds, measurement } = bench;
    const [mine, theirs] = await measurement.of(
      chargeSides(bench, [ours], seeds.accounts.slice(1)),
    );
    return { charges_spread: compare(mine, theirs) };
  },

  charges_two_nodes: async (bench) => {
    const { ours, seeds, measurement } = bench;
    const accounts = seeds.accounts.slice(1);
    const second = await bench.startSecond();
    const [one] = chargeSides(bench, [ours], accounts);
    const [two, theirs, alone] = await measurement.of([
      ...chargeSides(bench, [ours, second], accounts),
      ...(one ? [one] : []),
    ]);
    return {
      charges_two_nodes: compare(two, theirs),
      two_to_one: ratioOf(two?.rate ?? 0, alone?.rate ?? 0),
    };
  },

  holds_hot: async ({ ours, seeds, measurement }) => {
    const [hot = ''] = seeds.accounts;
    const ports = [ours.port];
    const [pairs, charges] = await measurement.of([
      { name: 'hold + capture', ports, work: holdsOn([hot], seeds.operatorKey) },
      { name: 'charge', ports, work: chargesTo([hot], seeds.operatorKey) },
    ]);
    return { holds_hot: compare(pairs, charges) };
  },

  charges_grown: async ({ ours, seeds, measurement, startGrown }) => {
    const grown = await startGrown();
    const sideOf = (name: string, server: Server, of: Seeds) => ({
      name,
      ports: [server.port],
      work: chargesTo(of.accounts.slice(1), of.operatorKey),
    });
    const [full, empty] = await measurement.of([
      sideOf('ours, grown', grown.server, grown.seeds),
      sideOf('ours, empty', ours, seeds),
    ]);
    return { charges_grown: compare(full, empty) };
  },

  gateway: async (bench) => {
    const { seeds, measurement } = bench;
    const [hot = ''] = seeds.accounts;
    const before = await availableOf(bench, hot);
    const { calls, soldHot } = await compareCalls(
      await bench.gateway(),
      seeds.customerKeys,
      measurement,
    );
    const lost = before - (await availableOf(bench, hot));
    if (lost !== soldHot) {
      throw new Error(`The calls answered add up to ${soldHot} microcents; ${lost} are gone.`);
    }
    return calls;
  },

  gateway_latency_ms: async ({ gateway, seeds, measurement }) => ({
    gateway_latency_ms: await addedLatency(await gateway(), seeds.customerKeys, measurement),
  }),

  gateway_memory_mb: async ({ gateway, seeds, memorySeconds, say }) => ({
    gateway_memory_mb: await watchMemory(await gateway(), seeds.customerKeys, memorySeconds, say),
  }),
};

/** Compares balance reads with each key in turn: our server against the constant route. */
async function compareReads(
  { ours, constant, measurement }: Bench,
  keys: readonly string[],
): Promise<Comparison> {
  const work = balanceReads(keys);
  const [mine, theirs] = await measurement.of([
    { name: 'ours', ports: [ours.port], work },
    { name: 'constant', ports: [constant.port], work },
  ]);
  return compare(mine, theirs);
}

/** Charges to accounts: our servers, then the textbook. */
function chargeSides(bench: Bench, ours: readonly Server[], accounts: readonly string[]): Side[] {
  const work = chargesTo(accounts, bench.seeds.operatorKey);
  const name = ours.length === 1 ? 'ours' : `ours, ${ours.length} nodes`;
  return [
    { name, ports: ours.map(({ port }) => port), work },
    { name: 'textbook', ports: [bench.textbook.port], work },
  ];
}

/** An account's available balance in microcents, from the HTTP API. */
async function availableOf({ ours, seeds }: Bench, account: string): Promise<bigint> {
  const response = await fetch(`http://127.0.0.1:${ours.port}/v1/accounts/${account}/balance`, {
    headers: { 'x-api-key': seeds.operatorKey },
  });
  const text = await response.text();
  const available = parseCents(/"available":"([^"]*)"/.exec(text)?.[1] ?? '');
  if (!response.ok || available === undefined) throw new Error(`no balance: ${text}`);
  return available;
}

/** Runs the comparisons named, one after the other. */
export async function compareAll(
  bench: Bench,
  wanted: readonly Name[],
  say: (line: string) => void,
): Promise<Report> {
  let report: Report = {};
  for (const name of wanted) {
    say(name);
    report = { ...report, ...(await COMPARISONS[name](bench)) };
  }
  return { ...report, server_rss_mb: residentMegabytes(bench.ours.pid) };
}
