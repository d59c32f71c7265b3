import type { Load } from './load.ts';
import type { LoadProcess } from './processes.ts';

/** What is measured against each other. */

const CONNECTIONS = 64;
/** The code of a server is compiled for speed by then. */
const WARM_UP_S = 5;
/** Slices that alternate between the sides, so that noise of the machine hits all alike. */
const SLICES = 4;

/** What one charge costs: a hundredth of a cent. */
export const PRICE = '0.01';
export const PRICE_MICROCENTS = 10_000n;
/** Holds that a slice leaves open are given back soon after it. */
const HOLD_S = 30;

/** One side of a comparison: where its requests go, and what they are. */
export interface Side {
  readonly name: string;
  readonly ports: readonly number[];
  readonly work: Work;
  /** How many connections ask at once; 64 where nothing is said. */
  readonly connections?: number;
}

/** The requests of a side; charges have an Idempotency-Key each. */
export interface Work {
  readonly requests: Load['requests'];
  readonly isCharge: boolean;
}

/** What a side answered. */
export interface Measured {
  /** Requests a second, the mean of the slices. */
  readonly rate: number;
  /** The median of the answers' times, the mean of the slices. */
  readonly medianMs: number;
  /** All requests, those of the warm-up included. */
  readonly requests: number;
}

/** Reads of the balance, with each key in turn. */
export function balanceReads(keys: readonly string[]): Work {
  const requests = keys.map((key) => ({
    head: `GET /v1/billing/account_balance HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}`,
    body: '',
  }));
  return { requests, isCharge: false };
}

/** Calls of the gateway's fixed-price route, with each key in turn. */
export function callsWith(keys: readonly string[]): Work {
  const requests = keys.map((key) => ({
    head: `GET /v1/search?query=purser HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}`,
    body: '',
  }));
  return { requests, isCharge: false };
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

function postOf(path: string, body: string, operatorKey: string) {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${operatorKey}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  return { head, body };
}

/** Measures sides in alternating slices, one process making the load of all of them. */
export class Measurement {
  readonly #load: LoadProcess;
  readonly #seconds: number;
  readonly #say: (line: string) => void;
  #slices = 0;

  /** `seconds` is how long each side is measured after its warm-up. */
  constructor(load: LoadProcess, seconds: number, say: (line: string) => void) {
    this.#load = load;
    this.#seconds = seconds;
    this.#say = say;
  }

  /** What each side answered, in their order. */
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
