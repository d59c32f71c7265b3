import type pg from 'pg';
import { OperatorError } from '../../operator-error.ts';
import type { Statement } from './database.ts';
import * as sql from './sql.ts';

/**
 * The settings of every session, and their check. They are sent as statements, because a pooler may
 * drop startup options. They are read back in a later transaction, because it may run that one in
 * another session.
 */

/** The timeout of each of the two statements; long enough for a machine under load. */
const ANSWER_TIMEOUT_MS = 2_000;

/** The settings of a session by name. `transaction_timeout` exists from PostgreSQL 17 on. */
export type Settings = Readonly<Record<string, string>>;

/** Settings that decisions depend on. Instants are parsed by `DateStyle`; any `TimeZone` is right. */
const SESSION_SETTINGS: Settings = {
  TimeZone: 'UTC',
  DateStyle: 'ISO',
  synchronous_commit: 'on',
  jit: 'off',
};

/** The place of a session. */
export interface SessionFacts {
  readonly database: string;
  /** Identifies the database, also among those of other servers. */
  readonly place: string;
  /** Whether a pooler is in between: another process answered than the one that was connected to. */
  readonly isPooled: boolean;
}

/**
 * Sets up and checks a new session, which works under `role` (null: the login). Throws OperatorError if
 * Purser must not work in it; a `ReadOnly` may pass by itself.
 */
export async function setUpSession(
  client: pg.ClientBase,
  settings: Settings,
  role: string | null,
): Promise<SessionFacts> {
  const all = { ...SESSION_SETTINGS, ...settings, ...(role !== null && { role }) };
  const names = Object.keys(all);
  const values = Object.values(all);
  const set = await ask<sql.SettingRow>(client, sql.setSettings, [names, values]);
  const [found] = await ask<sql.SessionRow>(client, sql.readSession, [
    set.map(({ name }) => name),
    set.map(({ value }) => value),
  ]);
  if (!found) throw new Error('PostgreSQL tells nothing of the session');
  const refusal = refusalOf(found, role);
  if (refusal) throw refusal;
  return {
    database: found.database,
    place: found.place,
    isPooled: found.pid !== (client as unknown as { processID: number | null }).processID,
  };
}

/** The database takes no writes at this moment: it is a standby, or a switch-over is under way. */
export class ReadOnly extends OperatorError {}

/** The reason why Purser cannot work in a session; null: there is none. */
function refusalOf(found: sql.SessionRow, role: string | null): OperatorError | null {
  const { login, database } = found;
  if (found.is_standby || found.is_read_only) {
    return new ReadOnly(
      'The PostgreSQL takes no writes.',
      found.is_standby
        ? `${database}: it is a standby (in recovery).`
        : `${database}: default_transaction_read_only is on.`,
      found.is_standby
        ? 'Let DATABASE_URL name the primary, or an address that follows it.'
        : `Switch it off: for the login (alter role ${login} reset default_transaction_read_only), the database or the server.`,
    );
  }
  if (found.changed !== null) {
    return new OperatorError(
      'The settings of a session do not stay.',
      `${found.changed} does not have the value that was set a moment before.`,
      SESSION_POOLING,
    );
  }
  if (role !== null && found.role !== role) {
    return new OperatorError(
      'The session does not work under its role.',
      `It works as ${found.role}, not as ${role}.`,
      SESSION_POOLING,
    );
  }
  if (found.server_encoding !== 'UTF8' || found.client_encoding !== 'UTF8') {
    return new OperatorError(
      'The database cannot hold every text.',
      `${database}: its encoding is ${found.server_encoding}, the client's ${found.client_encoding}; Purser needs UTF8.`,
      "Make a database with UTF8 (create database … encoding 'UTF8' template template0) and name it in DATABASE_URL.",
    );
  }
  return null;
}

/** The cure for a pooler that shares sessions. */
export const SESSION_POOLING =
  'Connect to PostgreSQL itself, or through a pool in session mode (PgBouncer: pool_mode = session). See docs/postgresql.md.';

async function ask<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  { text }: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  const query = { text, values: [...values], query_timeout: ANSWER_TIMEOUT_MS };
  return (await client.query<Row>(query)).rows;
}
