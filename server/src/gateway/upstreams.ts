import { Pool } from 'undici';
import { OperatorError } from '../db/operator-error.ts';
import type { Upstream, UpstreamSecret } from '../pricing/price-book.ts';

/** Header lines of an upstream's answer, all together. */
const MOST_HEADER_BYTES = 64 * 1_024;

/** Where calls are forwarded to: connections, the path that goes before theirs, and the secret. */
export interface UpstreamClient {
  readonly upstream: Upstream;
  readonly pool: Pool;
  readonly basePath: string;
  readonly secret: { readonly of: UpstreamSecret; readonly value: string } | null;
}

/** The connections to the upstreams of a price book. A new version keeps those that it has not changed. */
export class Upstreams {
  #clients = new Map<string, UpstreamClient>();

  /**
   * Makes the clients of a price book's upstreams, by their name. Throws OperatorError where a secret's
   * environment variable is not set; then everything stays as it was.
   */
  use(
    upstreams: ReadonlyMap<string, Upstream>,
    secretOf: (variable: string) => string | undefined,
  ): ReadonlyMap<string, UpstreamClient> {
    const secrets = new Map(
      Array.from(upstreams, ([name, { secret }]) => [name, secret && secretIn(secret, secretOf)]),
    );
    const before = this.#clients;
    this.#clients = new Map();
    const byName = new Map<string, UpstreamClient>();
    for (const [name, upstream] of upstreams) {
      const secret = secrets.get(name) ?? null;
      const identity = JSON.stringify([upstream, secret]);
      const client = before.get(identity) ?? newClient(upstream, secret);
      before.delete(identity);
      this.#clients.set(identity, client);
      byName.set(name, client);
    }
    for (const { pool } of before.values()) void pool.close();
    return byName;
  }

  /** Closes the connections, when nothing is under way on them any more. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#clients.values(), ({ pool }) => pool.destroy()));
  }
}

function secretIn(of: UpstreamSecret, secretOf: (variable: string) => string | undefined) {
  const value = secretOf(of.env);
  if (value !== undefined && /^[\t\x20-\x7e]+$/.test(value)) return { of, value };
  throw new OperatorError(
    `The environment variable ${of.env} ${value === undefined ? 'is not set' : 'cannot be a header'}.`,
    `The price book takes from it what the upstream wants in the header ${of.header}.`,
    `Set ${of.env} to the secret, on every node, and start Purser again.`,
  );
}

function newClient(upstream: Upstream, secret: UpstreamClient['secret']): UpstreamClient {
  const { origin, pathname } = new URL(upstream.baseUrl);
  const pool = new Pool(origin, {
    connections: upstream.connections,
    connectTimeout: upstream.connectTimeoutMs,
    headersTimeout: upstream.answerTimeoutMs,
    bodyTimeout: upstream.idleTimeoutMs,
    maxHeaderSize: MOST_HEADER_BYTES,
  });
  return { upstream, pool, basePath: pathname.replace(/\/$/, ''), secret };
}
