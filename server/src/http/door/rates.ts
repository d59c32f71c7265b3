import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type Rate, RateLimits } from '../../gateway/routes/rate-limits.ts';
import { LogPace } from '../../log-pace.ts';
import type { RateLimit } from '../../pricing/book/price-book.ts';
import { ApiError } from '../errors/api-error.ts';
import { type IsTrusted, networkOf } from './peers.ts';

/** Rate limits; null: there is none. */
export interface RateSettings {
  /** The balance endpoint, for each key. */
  readonly balance: RateLimit | null;
  /** All other routes of customers, for each key. */
  readonly billing: RateLimit | null;
  /** Refused keys, for each client. */
  readonly failedKeys: RateLimit | null;
}

export const NO_LIMITS: RateSettings = { balance: null, billing: null, failedKeys: null };

/** The groups of customers' routes, each with its own limit. */
export type OwnRate = 'balance' | 'billing';

/** Writes the rate of a priced route into the answer's headers. Answers an error if it is exceeded. */
export function judgeRate(rate: Rate | null, reply: FastifyReply): ApiError | undefined {
  if (!rate) return undefined;
  reply.headers(rateHeaders(rate));
  return refuseAbove(rate);
}

function refuseAbove(rate: Rate): ApiError | undefined {
  if (rate.isWithin) return undefined;
  const seconds = Math.max(1, Math.ceil(rate.nextInMs / 1_000));
  return new ApiError('rate_limited', {
    headers: { 'retry-after': String(seconds), ...rateHeaders(rate) },
  });
}

function rateHeaders({ limit, remaining, fullInMs }: Rate): Record<string, string> {
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(Math.ceil((Date.now() + fullInMs) / 1_000)),
  };
}

/** The rate limits of customers' own routes, and of refused keys. */
export class Rates {
  readonly #settings: RateSettings;
  readonly #isTrusted: IsTrusted;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #ofKeys = new RateLimits();
  readonly #ofFailures = new RateLimits();
  readonly #logPace = new LogPace();

  constructor(settings: RateSettings, isTrusted: IsTrusted, log: Pick<Logger, 'warn'>) {
    this.#settings = settings;
    this.#isTrusted = isTrusted;
    this.#log = log;
  }

  /** Counts a request of a key. Answers an error above the limit; only that error shows the rate. */
  refuse(what: OwnRate, apiKeyId: string): ApiError | undefined {
    const limit = this.#settings[what];
    return limit ? refuseAbove(this.#ofKeys.take(apiKeyId, what, limit)) : undefined;
  }

  /**
   * Counts a refused key. Above the limit of the same client, answers the error that replaces 401. Each
   * key is looked up before: a valid one works from any address.
   */
  refuseFailure({ ip, socket, headers }: FastifyRequest): ApiError | undefined {
    const { failedKeys } = this.#settings;
    if (!failedKeys) return undefined;
    const client = networkOf(ip) ?? socket.remoteAddress ?? '';
    const refused = refuseAbove(this.#ofFailures.take(client, 'failed keys', failedKeys));
    const isForwarded = headers['x-forwarded-for'] !== undefined;
    if (refused && isForwarded && !this.#isTrusted(socket.remoteAddress)) {
      this.#hint(socket.remoteAddress);
    }
    return refused;
  }

  #hint(address: string | undefined): void {
    if (!this.#logPace.isDue('proxy')) return;
    this.#log.warn(
      { address },
      'refused keys from this address count as those of one client: if it is a proxy of yours, add it to PURSER_TRUSTED_PROXIES',
    );
  }
}
