import type pg from 'pg';
import { OperatorError } from '../../operator-error.ts';
import type { Statement } from './database.ts';
import * as sql from './sql.ts';

/**
 * What every session of ours is set to, and the check that it is so. Settings are sent as statements
 * and read back in a later transaction: a pooler may drop startup options, or run the next transaction
 * in another session.
 */

/** How long each of the two questions may take: a machine under load must not look like one that is gone. */
const ANSWER_TIMEOUT_MS = 2_000;

/** The settings of a session by name; `transaction_timeout` counts from PostgreSQL 17 on. */
export type Settings = Readonly<Record<string, string>>;

/** What decisions rest on. Instants are read by `DateStyle`, and with their zone whatever `TimeZone` is. */
const SESSION_SETTINGS: Settings = {
  TimeZone: 'UTC',
  DateStyle: 'ISO',
  synchronous_commit: 'on',
  jit: 'off',
};

/** Where a session is. */
export interface SessionFacts {
  readonly database: string;
  /** Tells the database apart from every other, of other servers too. */
  readonly place: string;
  /** A pooler stands between: the process that answered is not the one that was connected to. */
  readonly isPooled: boolean;
}

/**
 * Makes a new connection a session of ours, which works under `role` (null: the login). Throws
 * OperatorError for a session that Purser must not work in; `ReadOnly` may pass by itself.
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

/** The database takes no writes at this moment: a standby, or in the middle of a switch-over. */
export class ReadOnly extends OperatorError {}

/** What keeps Purser from working in a session. */
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
      `${found.changed} is not what was set a moment before.`,
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

/** The cure for a pooler that hands sessions around. */
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
