// Who uses a running PostgreSQL is kept by PostgreSQL itself: each Purser process holds one
// connection with a shared advisory lock, a server an exclusive one besides. They vanish with the
// process, however it ends, so no file and no process id has to be believed.

import { stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type Cluster, OWNER, SERVING } from './cluster.ts';
import { PORT } from './socket.ts';

export const DATABASE = 'purser';

/** Locks are taken in this database, which always exists; they meet none of the database `purser`. */
const MEETING_PLACE = 'postgres';

/** Two-part keys of our own: "purs" in ASCII, and which lock. */
const LOCK_CLASS = 0x70757273;
const ATTACHED = `${LOCK_CLASS}, 1`;
const SERVER = `${LOCK_CLASS}, 2`;

const CONNECT_TIMEOUT_MS = 3_000;
const QUERY_TIMEOUT_MS = 20_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** Somebody holds "attached" exclusively only while stopping PostgreSQL, which ends the wait too. */
const LOCK_TIMEOUT_MS = 10_000;

/** A connection that shows PostgreSQL that this process uses it. */
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

  /** Connects without any lock yet. Rejects with what the driver reports. */
  static async connect(socketDir: string, as: 'server' | 'command'): Promise<Keeper> {
    const socket = new Socket();
    const client = new pg.Client({
      stream: () => socket,
      host: socketDir,
      port: PORT,
      user: OWNER,
      database: MEETING_PLACE,
      application_name: `purser ${as} ${process.pid}`,
      // Given here, these win over PGSSLMODE and PGOPTIONS of the environment.
      ssl: false,
      options: `-c lock_timeout=${LOCK_TIMEOUT_MS} -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
    });
    // Without a listener a lost connection would end the process; 'end' follows it in any case.
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

  /** Calls back once the connection is gone, at once if it already is. */
  onLost(callback: () => void): void {
    if (this.#isOpen) this.#client.once('end', callback);
    else callback();
  }

  /** Whether what answers works on this cluster, and not on the original of a copied one. */
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

  /** Says that this process uses PostgreSQL; waits for one that is stopping it right now. */
  async attach(): Promise<void> {
    await this.#rows(`select pg_advisory_lock_shared(${ATTACHED})`);
  }

  /** Becomes the one server of the cluster. False: there is one. */
  async tryServe(): Promise<boolean> {
    return this.#isTrue(`select pg_try_advisory_lock(${SERVER}) as yes`);
  }

  /** The name of the connection of the server there is, such as "purser server 4711". */
  async currentServer(): Promise<string | null> {
    const rows = await this.#rows<{ name: string }>(
      `select a.application_name as name
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
       where l.locktype = 'advisory' and l.granted and (l.classid, l.objid) = (${SERVER})`,
    );
    return rows[0]?.name ?? null;
  }

  /** Makes the login of the server and the database, where they are missing. */
  async prepare(): Promise<void> {
    await this.#make(`create role ${SERVING} login`, `pg_roles where rolname = '${SERVING}'`);
    await this.#make(`create database ${DATABASE}`, `pg_database where datname = '${DATABASE}'`);
  }

  /** Lets PostgreSQL read anew who may connect; a moment later it has. */
  async readAccessRules(): Promise<void> {
    await this.#rows('select pg_reload_conf()');
  }

  async #make(command: string, place: string): Promise<void> {
    const exists = `select exists (select from ${place}) as yes`;
    if (await this.#isTrue(exists)) return;
    try {
      await this.#rows(command);
    } catch (error) {
      // Somebody else may make it at the same time; then it is there now, or the error is real.
      if (!(await this.#isTrue(exists))) throw error;
    }
  }

  /** Gives up all locks. True: nobody else uses PostgreSQL, and nobody can attach from now on. */
  async detach(): Promise<boolean> {
    await this.#rows('select pg_advisory_unlock_all()');
    return this.#isTrue(`select pg_try_advisory_lock(${ATTACHED}) as yes`);
  }

  /** The contents of the postmaster.pid of the very PostgreSQL that answers. */
  async pidFile(): Promise<string> {
    const rows = await this.#rows<{ text: string }>(
      `select pg_read_file('postmaster.pid') as text`,
    );
    return rows[0]?.text ?? '';
  }

  /** Ends the connection, hard if PostgreSQL does not answer; never rejects. */
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
