import type { Statement } from './database.ts';

export interface SettingRow {
  name: string;
  /** The value as PostgreSQL shows it: `5000` becomes `5s`. */
  value: string;
}

/** Sets a session's settings and answers their new values. $1 names, $2 values. */
export const setSettings: Statement = {
  name: 'set_settings',
  text: `
    select name, set_config(name, value, false) as value
    from unnest($1::text[], $2::text[]) as setting (name, value)
    where name <> 'transaction_timeout'
       or current_setting('server_version_num')::int >= 170000`,
};

export interface SessionRow {
  login: string;
  role: string;
  database: string;
  /** The database and the start of its server, as one text that identifies the database. */
  place: string;
  pid: number;
  is_standby: boolean;
  is_read_only: boolean;
  server_encoding: string;
  client_encoding: string;
  /** Names of settings that have lost their values; null: there are none. */
  changed: string | null;
}

/** The facts that decide whether a session is fit. $1 names, $2 values, as `setSettings` answered them. */
export const readSession: Statement = {
  name: 'read_session',
  text: `
    select session_user as login, current_user as role, current_database() as database,
           d.oid || ' ' || extract(epoch from pg_postmaster_start_time()) as place,
           pg_backend_pid() as pid,
           pg_is_in_recovery() as is_standby,
           current_setting('transaction_read_only')::boolean as is_read_only,
           current_setting('server_encoding') as server_encoding,
           current_setting('client_encoding') as client_encoding,
           (select string_agg(name, ', ') from unnest($1::text[], $2::text[]) as s (name, value)
            where current_setting(name) <> value) as changed
    from pg_database d where d.datname = current_database()`,
};

/** Sets a mark that the session keeps. $1 the mark. */
export const markSession: Statement = {
  name: 'mark_session',
  text: `select set_config('purser.session', $1, false) as mark`,
};
export const readMark: Statement = {
  name: 'read_mark',
  text: `select current_setting('purser.session', true) as mark`,
};
