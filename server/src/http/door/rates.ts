import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type Rate, RateLimits } from '../../gateway/routes/rate-limits.ts';
import { LogPace } from '../../log-pace.ts';
import type { RateLimit } from '../../pricing/book/price-book.ts';
import { ApiError } from '../errors/api-error.ts';
import { type IsTrusted, networkOf } from './peers.ts';

/** Limits of how often something may be asked. Null: it has none. */
export interface RateSettings {
  /** The balance endpoint, for each key. */
  readonly balance: RateLimit | null;
  /** Everything else that customers ask about their account, quotes too, for each key. */
  readonly billing: RateLimit | null;
  /** Refused keys, for each client. */
  readonly failedKeys: RateLimit | null;
}

export const NO_LIMITS: RateSettings = { balance: null, billing: null, failedKeys: null };

/** What of customers' own routes has a limit of its own. */
export type OwnRate = 'balance' | 'billing';

/** Tells of a route's rate in the headers of the answer; an error if it is exceeded. */
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

/** The limits of customers' own routes, and of keys that are refused. */
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

  /** Counts a request of a key; an error if there were too many. Only that tells of the rate. */
  refuse(what: OwnRate, apiKeyId: string): ApiError | undefined {
    const limit = this.#settings[what];
    return limit ? refuseAbove(this.#ofKeys.take(apiKeyId, what, limit)) : undefined;
  }

  /**
   * Counts a key that was refused, and is the answer in place of 401 if there were too many from the same
   * client. Keys are looked up all the same: a good one works, whoever shares its address.
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
