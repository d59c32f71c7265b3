import type { Load } from './load.ts';
import type { LoadProcess } from './processes.ts';

/** The sides of a comparison and their requests. */

const CONNECTIONS = 64;
/** V8 has optimized a server's code by then. */
const WARM_UP_S = 5;
/** Slices of each side; the sides alternate, so that noise of the machine hits all alike. */
const SLICES = 4;

/** Price of one charge, in cents. */
export const PRICE = '0.01';
export const PRICE_MICROCENTS = 10_000n;
/** Short, so that holds left open by a slice expire soon after it. */
const HOLD_S = 30;

/** One side of a comparison: its servers and its requests. */
export interface Side {
  readonly name: string;
  readonly ports: readonly number[];
  readonly work: Work;
  /** 64 by default. */
  readonly connections?: number;
}

/** The requests of a side. Each charge has an Idempotency-Key of its own. */
export interface Work {
  readonly requests: Load['requests'];
  readonly isCharge: boolean;
}

/** Result of one side. */
export interface Measured {
  /** Requests a second: mean of the slices. */
  readonly rate: number;
  /** Median latency: mean of the slices. */
  readonly medianMs: number;
  /** All requests, including the warm-up. */
  readonly requests: number;
}

/** Reads of the balance, with each key in turn. */
export function balanceReads(keys: readonly string[]): Work {
  return {
    requests: keys.map((key) => getOf('/v1/billing/account_balance', key)),
    isCharge: false,
  };
}

/** Calls of the gateway's fixed-price route, with each key in turn. */
export function callsWith(keys: readonly string[]): Work {
  return { requests: keys.map((key) => getOf('/v1/search?query=purser', key)), isCharge: false };
}

/** Charges of one price, to each account in turn. */
export function chargesTo(accounts: readonly string[], operatorKey: string): Work {
  const requests = accounts.map((account) =>
    postOf('/v1/charges', JSON.stringify({ account, amount: PRICE }), operatorKey),
  );
  return { requests, isCharge: true };
}

/** Pairs of a hold and its capture at the same price, on each account in turn. */
export function holdsOn(accounts: readonly string[], operatorKey: string): Work {
  const requests = accounts.map((account) => {
    const hold = JSON.stringify({ account, amount: PRICE, expires_in_s: HOLD_S });
    const capture = JSON.stringify({ amount: PRICE });
    return {
      ...postOf('/v1/holds', hold, operatorKey),
      followUp: postOf('/v1/holds/{id}/capture', capture, operatorKey),
    };
  });
  return { requests, isCharge: true };
}

function getOf(path: string, key: string) {
  return { head: `GET ${path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}`, body: '' };
}

function postOf(path: string, body: string, key: string) {
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    `X-API-Key: ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  return { head: head.join('\r\n'), body };
}

/** Measures sides in alternating slices, with one load process for all of them. */
export class Measurement {
  readonly #load: LoadProcess;
  readonly #seconds: number;
  readonly #say: (line: string) => void;
  #slices = 0;

  /** `seconds` is the length of all slices of a side, without its warm-up. */
  constructor(load: LoadProcess, seconds: number, say: (line: string) => void) {
    this.#load = load;
    this.#seconds = seconds;
    this.#say = say;
  }

  /** The result of each side, in the order given. */
  async of(sides: readonly Side[]): Promise<Measured[]> {
    const counts = sides.map(() => 0);
    const rates = sides.map((): number[] => []);
    const medians = sides.map((): number[] => []);
    for (let slice = 0; slice <= SLICES; slice += 1) {
      for (const [index, side] of sides.entries()) {
        const { requests, seconds, medianMs, cpuSeconds } = await this.#slice(
          side,
          slice === 0 ? WARM_UP_S : this.#seconds / SLICES,
        );
        counts[index] = (counts[index] ?? 0) + requests;
        if (slice > 0) rates[index]?.push(requests / seconds);
        if (slice > 0) medians[index]?.push(medianMs);
        const load = Math.round((cpuSeconds / seconds) * 100);
        const rate = Math.round(requests / seconds);
        const what = slice === 0 ? 'warm-up' : `slice ${slice}`;
        this.#say(`  ${what}  ${side.name}: ${rate}/s (load generator ${load}% of a core)`);
      }
    }
    return sides.map((_, index) => ({
      rate: mean(rates[index]),
      medianMs: mean(medians[index]),
      requests: counts[index] ?? 0,
    }));
  }

  #slice({ ports, work, connections = CONNECTIONS }: Side, seconds: number) {
    this.#slices += 1;
    return this.#load.run({
      ports,
      connections,
      seconds,
      requests: work.requests,
      ...(work.isCharge && { idempotencyPrefix: `slice${this.#slices}-` }),
    });
  }
}

function mean(numbers: readonly number[] = []): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
}
