// Attaches to PostgreSQL, or starts it. One loop looks at the state, takes one step and looks again,
// until a PostgreSQL of this cluster answers or the time is up. Two postmasters never get the same
// data. Each start passes PostgreSQL's own check of postmaster.pid and of the shared memory, and a
// postmaster that finds a rival ends by itself.

import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../operator-error.ts';
import { type Cluster, writeAccessRules } from './cluster.ts';
import { codeOf, fullDiskWords, messageOf, programFailure } from './failures.ts';
import { Keeper } from './keeper.ts';
import {
  type Launched,
  launch,
  type PidFile,
  readPidFile,
  removeUnreadablePidFile,
  requestStop,
  whoIs,
} from './postmaster.ts';
import { isSocketThere } from './socket.ts';

const POLL_MS = 20;

/** The default time that PostgreSQL may take to start without a sign of life. */
const PATIENCE_MS = 30_000;

/** A PostgreSQL that answers "starting up" recovers from its log, which can be long. */
const RECOVERY_MS = 15 * 60_000;

/** The poll interval for a PostgreSQL that is not ready; each poll leaves a line in its log. */
const NOT_READY_MS = 250;

/** A dying PostgreSQL keeps its shared memory and lock files for at most this long. */
const DYING_MS = 10_000;

/** A state that lasts this long is not a moment between two steps of a start or a stop. */
const SETTLED_MS = 1_500;

export interface AttachOptions {
  readonly as: 'server' | 'command';
  readonly log: { info(msg: string): void; warn(msg: string): void };
  readonly patienceMs?: number | undefined;
  /**
   * Aborts the wait, with the signal's reason. A PostgreSQL that this call started is stopped first. If
   * it is ready already, others may use it, so it is attached all the same.
   */
  readonly signal: AbortSignal;
}

/** PostgreSQL is not ready, for a reason that may pass. */
class NotYet extends Error {
  /** Whether PostgreSQL showed that it works. */
  readonly isAlive: boolean;

  constructor(reason: string, isAlive = false) {
    super(reason);
    this.isAlive = isAlive;
  }
}

/**
 * Connects to the cluster's PostgreSQL, attaches, and makes the database. Starts PostgreSQL if it does
 * not run. Throws OperatorError.
 */
export async function attachOrStart(cluster: Cluster, options: AttachOptions): Promise<Keeper> {
  const search = new Search(cluster, options);
  for (;;) {
    if (!search.hasLaunched) options.signal.throwIfAborted();
    try {
      return await search.step();
    } catch (error) {
      if (!(error instanceof NotYet)) throw error;
      search.checkPatience(error);
    }
    await delay(POLL_MS);
  }
}

class Search {
  readonly #cluster: Cluster;
  readonly #options: AttachOptions;
  readonly #patienceMs: number;
  readonly #startedAt = Date.now();
  #lastSignOfLife = Date.now();
  #launched: Launched | null = null;
  #dyingSince: number | null = null;
  #freshSocket = false;
  /** The last content of postmaster.pid, and the time since it is unchanged. */
  #seen = { text: '', since: Date.now() };
  #askedAt = 0;
  #toldRecovery = false;

  constructor(cluster: Cluster, options: AttachOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  get hasLaunched(): boolean {
    return this.#launched !== null;
  }

  /** Throws OperatorError if the wait has been long enough. */
  checkPatience(reason: NotYet): void {
    const now = Date.now();
    if (reason.isAlive) this.#lastSignOfLife = now;
    const isTooLong = now - this.#startedAt > RECOVERY_MS;
    if (!isTooLong && now - this.#lastSignOfLife <= this.#patienceMs) return;
    const waitedS = Math.round((now - this.#startedAt) / 1000);
    throw new OperatorError(
      'PostgreSQL does not answer.',
      `${this.#cluster.directory}: ${reason.message} Waited ${waitedS} s.`,
      'If that process hangs, end it (kill -9 is safe: committed data stay), then start Purser again.',
    );
  }

  /** Looks at the state and takes one step. Throws NotYet. */
  async step(): Promise<Keeper> {
    await this.#judgeLaunched();
    const file = await readPidFile(this.#cluster.directory);
    const text = typeof file === 'object' ? (file?.text ?? '') : 'unreadable';
    if (text !== this.#seen.text) this.#seen = { text, since: Date.now() };
    const isSettled = Date.now() - this.#seen.since > SETTLED_MS;
    if (file === 'unreadable') {
      if (isSettled) await removeUnreadablePidFile(this.#cluster.directory);
      throw new NotYet('postmaster.pid holds no process id.');
    }
    if (file === null) return this.#start();
    const who = await whoIs(file.pid, this.#cluster.directory);
    if (who === 'nobody') return this.#start();
    if (who === 'other') return this.#start(file.pid);
    try {
      return await this.#approach(file, isSettled);
    } catch (error) {
      // The system does not tell whose process it is, so PostgreSQL's own check decides.
      if (who === 'unknown' && isSettled && error instanceof NotYet) return this.#start();
      throw error;
    }
  }

  /** Connects to the running PostgreSQL, or finds out why that fails. */
  async #approach(file: PidFile, isSettled: boolean): Promise<Keeper> {
    const { pid, socketDir, status } = file;
    const isReady = status === 'ready';
    // The next start continues a long recovery.
    if (!isReady && pid === this.#launched?.pid && this.#options.signal.aborted) requestStop(pid);
    if (status === 'stopping' && isSettled) {
      // PostgreSQL waits for its clients to disconnect, and these are our servers' connections.
      requestStop(pid);
      this.#seen.since = Date.now();
    }
    if (socketDir === null || (!isReady && !this.#mayAskAgain())) {
      throw new NotYet(`The postmaster (process ${pid}) is ${status}.`);
    }
    if (isReady && isSettled && !(await isSocketThere(socketDir))) {
      if ((await whoIs(pid, this.#cluster.directory)) === 'postmaster') {
        this.#options.log.warn('the socket of PostgreSQL was removed; restarting PostgreSQL');
        requestStop(pid);
        this.#seen.since = Date.now();
      }
      throw new NotYet(`The socket of the postmaster (process ${pid}) is gone.`);
    }
    const keeper = await this.#connect(pid, socketDir);
    // Another process's postmaster was faster; ours is ending.
    if (this.#launched !== null && this.#launched.pid !== pid) await this.#launched.cleanUp();
    return keeper;
  }

  #mayAskAgain(): boolean {
    if (Date.now() - this.#askedAt < NOT_READY_MS) return false;
    this.#askedAt = Date.now();
    return true;
  }

  async #connect(pid: number, socketDir: string): Promise<Keeper> {
    let keeper: Keeper | null = null;
    try {
      keeper = await Keeper.connect(socketDir, this.#options.as);
      if (!(await keeper.isOf(this.#cluster))) {
        throw new NotYet(`The socket ${socketDir} is that of another PostgreSQL.`);
      }
      await keeper.attach();
      await keeper.prepare();
      // A PostgreSQL that an older release started has the access rules of that release.
      if (await writeAccessRules(this.#cluster)) await keeper.readAccessRules();
      return keeper;
    } catch (error) {
      await keeper?.close();
      throw this.#judgeConnecting(error, pid);
    }
  }

  #judgeConnecting(error: unknown, pid: number): Error {
    if (error instanceof NotYet) return error;
    const message = messageOf(error);
    const code = codeOf(error);
    // 57P03, cannot connect now: PostgreSQL starts, recovers or stops.
    if (code === '57P03' && Date.now() - this.#startedAt > SETTLED_MS && !this.#toldRecovery) {
      this.#toldRecovery = true;
      this.#options.log.info(`waiting for PostgreSQL: ${message}`);
    }
    const isLost = code === '' || /^(57P|08|55P03|53300|E(NOENT|CONN|PIPE))/.test(code);
    if (isLost) {
      const reason = `The postmaster (process ${pid}) could not be reached: ${message}.`;
      return new NotYet(reason, code === '57P03');
    }
    if (code === '28000' || code === 'EACCES') {
      return new OperatorError(
        'The running PostgreSQL does not let this user in.',
        `${this.#cluster.directory}, process ${pid}: ${message}`,
        'Run Purser as the user who started it, or as root.',
        { cause: error },
      );
    }
    return programFailure('PostgreSQL runs, but cannot be used.', message, error);
  }

  /** Starts a postmaster, unless ours is starting already. */
  async #start(unrelatedPid?: number): Promise<never> {
    if (this.#launched === null) {
      this.#options.signal.throwIfAborted();
      this.#launched = await launch(this.#cluster, {
        unrelatedPid,
        freshSocket: this.#freshSocket,
      });
    }
    throw new NotYet(`PostgreSQL (process ${this.#launched.pid}) is starting.`);
  }

  /** Decides whether the end of our postmaster was a lost race or a failure. */
  async #judgeLaunched(): Promise<void> {
    const launched = this.#launched;
    const end = launched?.ended() ?? null;
    if (launched === null || end === null) return;
    this.#launched = null;
    const words = await launched.lastWords();
    await launched.cleanUp();
    if (end === 'exit code 0' || /lock file "postmaster\.pid"/.test(words)) return;
    if (/"[^"]*\.s\.PGSQL\.|could not create lock file|Unix-domain socket/.test(words)) {
      this.#freshSocket = true;
    } else if (!/pre-existing shared memory block/.test(words)) {
      throw await this.#failure(end, words);
    }
    this.#dyingSince ??= Date.now();
    if (Date.now() - this.#dyingSince > DYING_MS) throw await this.#failure(end, words);
  }

  async #failure(end: string, words: string): Promise<OperatorError> {
    const { dataDir } = this.#cluster;
    const details = words || (await fullDiskWords(dataDir)) || 'It wrote nothing to its log.';
    return programFailure(
      'PostgreSQL did not start.',
      `${details}\n(${end}; its log is ${dataDir}/postgresql.log)`,
    );
  }
}
