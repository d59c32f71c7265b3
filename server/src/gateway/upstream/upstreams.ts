import { Pool } from 'undici';
import { OperatorError } from '../../operator-error.ts';
import type { Upstream, UpstreamSecret } from '../../pricing/book/price-book.ts';
import { Connections } from './connections.ts';

/** Header lines of an upstream's answer, all together. */
const MOST_HEADER_BYTES = 64 * 1_024;

/** Where calls are forwarded to: connections, the path that goes before theirs, and the secret. */
export class UpstreamClient {
  readonly basePath: string;
  readonly secret: UpstreamSecretValue | null;
  readonly mostConnections: number;
  /** The rights to the connections of `pool`. */
  readonly connections: Connections;
  readonly #origin: string;
  readonly #upstream: Upstream;
  #pool: Pool | undefined;
  #calls = 0;
  #isReplaced = false;

  constructor(upstream: Upstream, secret: UpstreamSecretValue | null) {
    const { origin, pathname } = new URL(upstream.baseUrl);
    this.basePath = pathname.replace(/\/$/, '');
    this.secret = secret;
    this.mostConnections = upstream.connections;
    this.connections = new Connections(upstream.connections);
    this.#origin = origin;
    this.#upstream = upstream;
  }

  /** The connections, for a call that is under way. */
  get pool(): Pool {
    this.#pool ??= new Pool(this.#origin, {
      connections: this.#upstream.connections,
      connectTimeout: this.#upstream.connectTimeoutMs,
      headersTimeout: this.#upstream.answerTimeoutMs,
      bodyTimeout: this.#upstream.idleTimeoutMs,
      maxHeaderSize: MOST_HEADER_BYTES,
    });
    return this.#pool;
  }

  /** A call begins, from here on it may need the connections; `callEnded` follows once. */
  callBegan(): void {
    this.#calls += 1;
  }

  callEnded(): void {
    this.#calls -= 1;
    this.#closeUnused();
  }

  /**
   * No version of the price book in effect has it any more: the connections are closed when the last
   * call has ended. A call that was matched before and begins only then gets new ones, for itself.
   */
  replace(): void {
    this.#isReplaced = true;
    this.#closeUnused();
  }

  /** Closes the connections, whatever is under way on them. */
  async destroy(): Promise<void> {
    await this.#pool?.destroy();
  }

  #closeUnused(): void {
    if (!this.#isReplaced || this.#calls > 0) return;
    void this.#pool?.close();
    this.#pool = undefined;
  }
}

/** What an upstream wants in a header. */
interface UpstreamSecretValue {
  readonly of: UpstreamSecret;
  readonly value: string;
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
      const client = before.get(identity) ?? new UpstreamClient(upstream, secret);
      before.delete(identity);
      this.#clients.set(identity, client);
      byName.set(name, client);
    }
    for (const client of before.values()) client.replace();
    return byName;
  }

  /** Closes the connections, when nothing is under way on them any more. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#clients.values(), (client) => client.destroy()));
  }
}

function secretIn(
  of: UpstreamSecret,
  secretOf: (variable: string) => string | undefined,
): UpstreamSecretValue {
  const value = secretOf(of.env);
  if (value !== undefined && /^[\t\x20-\x7e]+$/.test(value)) return { of, value };
  throw new OperatorError(
    `The environment variable ${of.env} ${value === undefined ? 'is not set' : 'cannot be a header'}.`,
    `The price book takes from it what the upstream wants in the header ${of.header}.`,
    `Set ${of.env} to the secret, on every node, and start Purser again.`,
  );
}
