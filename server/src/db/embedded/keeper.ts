// PostgreSQL itself records its users: each Purser process holds a connection with a shared advisory
// lock, and a server an exclusive one besides. The locks vanish with the process, however it ends, so
// nothing depends on a file or a process id.

import { stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type Cluster, OWNER, SERVING } from './cluster.ts';
import { PORT } from './socket.ts';

export const DATABASE = 'purser';

/** The database of the locks. It always exists, and has no locks of the database `purser`. */
const MEETING_PLACE = 'postgres';

/** The first part of the lock keys: "purs" in ASCII. The second names the lock. */
const LOCK_CLASS = 0x70757273;
const ATTACHED = `${LOCK_CLASS}, 1`;
const SERVER = `${LOCK_CLASS}, 2`;

const CONNECT_TIMEOUT_MS = 3_000;
const QUERY_TIMEOUT_MS = 20_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** "Attached" is held exclusively only by a process that stops PostgreSQL, which ends the wait too. */
const LOCK_TIMEOUT_MS = 10_000;

/** The connection that marks this process as a user of PostgreSQL. */
export class Keeper {
  readonly socketDir: string;
  readonly #client: pg.Client;
  readonly #socket: Socket;
  #isOpen = true;

  private constructor(socketDir: string, client: pg.Client, socket: Socket) {
    this.socketDir = socketDir;
    this.#client = client;
    this.#socket = socket;
    client.once('end', () => {
      this.#isOpen = false;
    });
  }

  /** Connects, without a lock. Rejects with the driver's error. */
  static async connect(socketDir: string, as: 'server' | 'command'): Promise<Keeper> {
    const socket = new Socket();
    const client = new pg.Client({
      stream: () => socket,
      host: socketDir,
      port: PORT,
      user: OWNER,
      database: MEETING_PLACE,
      application_name: `purser ${as} ${process.pid}`,
      // These win over PGSSLMODE and PGOPTIONS in the environment.
      ssl: false,
      options: `-c lock_timeout=${LOCK_TIMEOUT_MS} -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
    });
    // An unheard error would end the process; 'end' follows each error.
    client.on('error', () => {});
    const keeper = new Keeper(socketDir, client, socket);
    try {
      await client.connect();
    } catch (error) {
      await keeper.close();
      throw error;
    }
    return keeper;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Calls back once the connection is lost, at once if it is lost already. */
  onLost(callback: () => void): void {
    if (this.#isOpen) this.#client.once('end', callback);
    else callback();
  }

  /** Whether the answering PostgreSQL has this cluster, and not the original of which it is a copy. */
  async isOf({ directory }: Cluster): Promise<boolean> {
    const rows = await this.#rows<{ path: string }>(
      `select current_setting('data_directory') as path`,
    );
    const [ours, theirs] = await Promise.all([
      stat(directory),
      stat(rows[0]?.path ?? '').catch(() => null),
    ]);
    return theirs === null || (theirs.dev === ours.dev && theirs.ino === ours.ino);
  }

  /** Marks this process as a user; waits for a process that is stopping PostgreSQL. */
  async attach(): Promise<void> {
    await this.#rows(`select pg_advisory_lock_shared(${ATTACHED})`);
  }

  /** Becomes the server of the cluster. False: another process is. */
  async tryServe(): Promise<boolean> {
    return this.#isTrue(`select pg_try_advisory_lock(${SERVER}) as yes`);
  }

  /** The name of the current server's connection, such as "purser server 4711". */
  async currentServer(): Promise<string | null> {
    const rows = await this.#rows<{ name: string }>(
      `select a.application_name as name
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
       where l.locktype = 'advisory' and l.granted and (l.classid, l.objid) = (${SERVER})`,
    );
    return rows[0]?.name ?? null;
  }

  /** Makes the server's login and the database if they are missing. */
  async prepare(): Promise<void> {
    await this.#make(`create role ${SERVING} login`, `pg_roles where rolname = '${SERVING}'`);
    await this.#make(`create database ${DATABASE}`, `pg_database where datname = '${DATABASE}'`);
  }

  /** Makes PostgreSQL reload its access rules, which takes a moment. */
  async readAccessRules(): Promise<void> {
    await this.#rows('select pg_reload_conf()');
  }

  async #make(command: string, place: string): Promise<void> {
    const exists = `select exists (select from ${place}) as yes`;
    if (await this.#isTrue(exists)) return;
    try {
      await this.#rows(command);
    } catch (error) {
      // Another process may have made it at the same time; if not, the error is real.
      if (!(await this.#isTrue(exists))) throw error;
    }
  }

  /** Releases all locks. True: no other process uses PostgreSQL, and none can attach from now on. */
  async detach(): Promise<boolean> {
    await this.#rows('select pg_advisory_unlock_all()');
    return this.#isTrue(`select pg_try_advisory_lock(${ATTACHED}) as yes`);
  }

  /** The postmaster.pid of the PostgreSQL that answers. */
  async pidFile(): Promise<string> {
    const rows = await this.#rows<{ text: string }>(
      `select pg_read_file('postmaster.pid') as text`,
    );
    return rows[0]?.text ?? '';
  }

  /** Closes the connection, by force if PostgreSQL does not answer. Never rejects. */
  async close(): Promise<void> {
    const patience = delay(CLOSE_TIMEOUT_MS, undefined, { ref: false });
    await Promise.race([this.#client.end().catch(() => {}), patience]);
    this.#socket.destroy();
  }

  async #isTrue(sql: string): Promise<boolean> {
    return (await this.#rows<{ yes: boolean }>(sql))[0]?.yes === true;
  }

  async #rows<Row extends object>(sql: string): Promise<Row[]> {
    return (await this.#client.query<Row>(sql)).rows;
  }
}
