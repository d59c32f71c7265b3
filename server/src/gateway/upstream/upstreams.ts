import { Pool } from 'undici';
import { OperatorError } from '../../operator-error.ts';
import type { Upstream, UpstreamSecret } from '../../pricing/book/price-book.ts';
import { Connections } from './connections.ts';

/** The size of all header lines of an upstream's answer together. */
const MOST_HEADER_BYTES = 64 * 1_024;

/** One upstream: its connections, its base path and its secret. */
export class UpstreamClient {
  readonly basePath: string;
  readonly secret: UpstreamSecretValue | null;
  readonly mostConnections: number;
  /** The permits for the connections of `pool`. */
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

  /** The connections, for a call between `callBegan` and `callEnded`. */
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

  /** Keeps the connections open for a call. `callEnded` must follow once. */
  callBegan(): void {
    this.#calls += 1;
  }

  callEnded(): void {
    this.#calls -= 1;
    this.#closeUnused();
  }

  /**
   * The price book in effect does not have this upstream any more: closes the connections once the last
   * call has ended. A call that was matched before and begins afterwards gets new connections.
   */
  replace(): void {
    this.#isReplaced = true;
    this.#closeUnused();
  }

  /** Closes the connections at once. */
  async destroy(): Promise<void> {
    await this.#pool?.destroy();
  }

  #closeUnused(): void {
    if (!this.#isReplaced || this.#calls > 0) return;
    void this.#pool?.close();
    this.#pool = undefined;
  }
}

/** The value of an environment variable; undefined: it is not set. */
export type SecretOf = (variable: string) => string | undefined;

/** A secret that the upstream expects in a header. */
interface UpstreamSecretValue {
  readonly of: UpstreamSecret;
  readonly value: string;
}

/** The upstreams of the price book in effect. A new version keeps the connections of unchanged ones. */
export class Upstreams {
  #clients = new Map<string, UpstreamClient>();

  /**
   * The clients of a price book's upstreams, by name. Throws OperatorError, and changes nothing, if the
   * environment variable of a secret is not set.
   */
  use(
    upstreams: ReadonlyMap<string, Upstream>,
    secretOf: SecretOf,
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

  /** Closes all connections. Call it after the last call has ended. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#clients.values(), (client) => client.destroy()));
  }
}

/** Throws OperatorError if a secret of the upstreams is missing. */
export function expectSecrets(upstreams: ReadonlyMap<string, Upstream>, secretOf: SecretOf): void {
  for (const { secret } of upstreams.values()) if (secret) secretIn(secret, secretOf);
}

function secretIn(of: UpstreamSecret, secretOf: SecretOf): UpstreamSecretValue {
  const value = secretOf(of.env);
  if (value !== undefined && /^[\t\x20-\x7e]+$/.test(value)) return { of, value };
  throw new OperatorError(
    `The environment variable ${of.env} ${value === undefined ? 'is not set' : 'cannot be a header'}.`,
    `The price book takes from it the secret for the upstream, for the header ${of.header}.`,
    `Set ${of.env} to the secret, on every node, and start Purser again.`,
  );
}
