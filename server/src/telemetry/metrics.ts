import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { GatewayObserver } from '../gateway/gateway.ts';
import type { LedgerObserver, RunAgainReason } from '../ledger/lane/observer.ts';

/**
 * Prometheus metrics. No label carries an account, a key or an amount, so the number of series is
 * bounded by the routes and codes of the program.
 */

/** From half a millisecond, since a charge waits for a batch and a disk flush, to the longest wait. */
const LATENCY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 10];
/** A batch has up to 1,000 operations. */
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

const REQUEST_LABELS = ['method', 'route', 'status'] as const;

/** The series of one combination of labels, found once instead of at each request (adr/0012). */
interface RequestSeries {
  readonly count: { inc(): void };
  readonly latency: { observe(seconds: number): void };
}

/** The process's counters, and their text for `/metrics`. Every call is cheap and never fails. */
export class Metrics implements LedgerObserver, GatewayObserver {
  readonly #registry = new Registry();
  readonly #requests = this.#counter(
    'http_requests_total',
    'Requests that were answered',
    REQUEST_LABELS,
  );
  readonly #latency = this.#histogram('http_request_duration_seconds', {
    help: 'Time from a request to the end of its answer',
    labelNames: REQUEST_LABELS,
    buckets: LATENCY_BUCKETS_S,
  });
  readonly #series = new Map<string, RequestSeries>();
  readonly #batchOperations = this.#histogram('ledger_batch_operations', {
    help: 'Operations in a batch',
    buckets: BATCH_BUCKETS,
  });
  readonly #batchAccounts = this.#histogram('ledger_batch_accounts', {
    help: 'Accounts in a batch',
    buckets: BATCH_BUCKETS,
  });
  readonly #readBatchKeys = this.#histogram('balance_read_batch_keys', {
    help: 'Distinct keys that one batched read answered',
    buckets: BATCH_BUCKETS,
  });
  readonly #queueLength = new Gauge({
    name: 'purser_ledger_queue_length',
    help: 'Operations that wait for their batch',
    registers: [this.#registry],
  });
  readonly #commits = this.#counter('ledger_commits_total', 'Batches that committed', []);
  readonly #runsAgain = this.#counter(
    'ledger_batches_run_again_total',
    'Batches that were run again, by reason',
    ['reason'],
  );
  readonly #refusals = this.#counter(
    'ledger_refusals_total',
    'Operations that were judged and refused, by code',
    ['code'],
  );
  readonly #failures = this.#counter(
    'ledger_failures_total',
    'Operations of which nothing could be said, by code',
    ['code'],
  );

  readonly #calls = this.#counter(
    'gateway_calls_total',
    'Calls that the gateway forwarded, by route and by how they ended',
    ['route', 'ending'],
  );

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** The media type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Counts an answered request. `route` is the route's pattern, never the requested path. */
  answered(method: string, route: string, status: number, seconds: number): void {
    const name = `${method} ${route} ${status}`;
    const { count, latency } =
      this.#series.get(name) ?? this.#addSeries(name, method, route, status);
    count.inc();
    latency.observe(seconds);
  }

  batch(operations: number, accounts: number): void {
    this.#batchOperations.observe(operations);
    this.#batchAccounts.observe(accounts);
  }

  queued(length: number): void {
    this.#queueLength.set(length);
  }

  committed(): void {
    this.#commits.inc();
  }

  ranAgain(reason: RunAgainReason): void {
    this.#runsAgain.inc({ reason });
  }

  refused(code: string): void {
    this.#refusals.inc({ code });
  }

  failed(code: string): void {
    this.#failures.inc({ code });
  }

  reads(keys: number): void {
    this.#readBatchKeys.observe(keys);
  }

  callEnded(route: string, ending: string): void {
    this.#calls.inc({ route, ending });
  }

  #addSeries(name: string, method: string, route: string, status: number): RequestSeries {
    const labels = { method, route, status: String(status) };
    const series = { count: this.#requests.labels(labels), latency: this.#latency.labels(labels) };
    this.#series.set(name, series);
    return series;
  }

  #histogram<Label extends string>(
    name: string,
    options: { help: string; buckets: number[]; labelNames?: readonly Label[] },
  ): Histogram<Label> {
    return new Histogram({ name: `purser_${name}`, ...options, registers: [this.#registry] });
  }

  #counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): Counter<Label> {
    return new Counter({ name: `purser_${name}`, help, labelNames, registers: [this.#registry] });
  }
}
