import { TokenBucket } from 'limiter';
import { LRUCache } from 'lru-cache';
import type { RateLimit } from '../../pricing/book/price-book.ts';

/** Buckets that are kept; the one that was used longest ago goes first. */
const MOST_BUCKETS = 100_000;

/** The state of a rate limit after a request, for the customer. */
export interface Rate {
  readonly isWithin: boolean;
  /** Requests that may come at once. */
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until the bucket is full again. */
  readonly fullInMs: number;
  /** Milliseconds until the next request may come. */
  readonly nextInMs: number;
}

/**
 * Token buckets by caller and purpose, in the memory of this node. One node alone is exact; n nodes
 * let at most n times as much pass.
 */
export class RateLimits {
  /** Made at the first use: it allocates room for all buckets, 3 MB, which takes 6 ms. */
  #buckets: LRUCache<string, TokenBucket> | undefined;

  /** Takes one request from the bucket of the caller and the purpose. */
  take(caller: string, purpose: string, { perSecond, burst }: RateLimit): Rate {
    const name = `${caller} ${purpose}`;
    const bucket = this.#bucket(name, perSecond, burst);
    const isWithin = bucket.tryRemoveTokens(1);
    const missing = burst - bucket.content;
    return {
      isWithin,
      limit: burst,
      remaining: Math.max(0, Math.floor(bucket.content)),
      fullInMs: (missing / perSecond) * 1_000,
      nextInMs: isWithin ? 0 : ((1 - bucket.content) / perSecond) * 1_000,
    };
  }

  #bucket(name: string, perSecond: number, burst: number): TokenBucket {
    this.#buckets ??= new LRUCache({ max: MOST_BUCKETS });
    const known = this.#buckets.get(name);
    if (known?.tokensPerInterval === perSecond && known.bucketSize === burst) return known;
    const bucket = newBucket(perSecond, burst);
    this.#buckets.set(name, bucket);
    return bucket;
  }
}

function newBucket(perSecond: number, burst: number): TokenBucket {
  const bucket = new TokenBucket({
    bucketSize: burst,
    tokensPerInterval: perSecond,
    interval: 'second',
  });
  bucket.content = burst;
  return bucket;
}
