import type { Statement } from './database.ts';

/** The version of PostgreSQL, as a number such as 150018. */
export const serverVersion: Statement = {
  name: 'server_version',
  text: `select current_setting('server_version_num')::int as version`,
};

/** The migrations that have been applied; `to_regclass` is null on an empty database. */
export const migrationsTable: Statement = {
  name: 'migrations_table',
  text: `select to_regclass('purser_migrations') is not null as exists`,
};
export const appliedMigrations: Statement = {
  name: 'applied_migrations',
  text: 'select name from purser_migrations order by id',
};

/** Whether this login may work under the restricted role, and the role may do its work. */
export const roleUsable: Statement = {
  name: 'role_usable',
  text: `
    select exists (
      select from pg_roles r
      where r.rolname = 'purser_server'
        and pg_has_role(current_user, r.oid, 'member')
        and has_table_privilege(r.oid, 'operations', 'insert')
        and not has_table_privilege(r.oid, 'operations', 'update')
    ) as usable`,
};

/** Rights are set by one node at a time: two at once fail on the same catalogue rows. */
export const lockRights: Statement = {
  name: 'lock_rights',
  text: `select pg_advisory_xact_lock(hashtextextended('purser rights', 0))`,
};

/**
 * The role that the server works under: it reads everything, appends to the ledger, changes what
 * changes, and can neither update nor delete an operation or an entry. Made where this login may make
 * roles; elsewhere the server works under its login, and `purser verify` says so.
 */
export const makeRole: Statement = {
  name: 'make_role',
  text: `
    do $$
    begin
      if not exists (select from pg_roles where rolname = 'purser_server') then
        create role purser_server nologin;
      end if;
      if not pg_has_role(current_user, 'purser_server', 'member') then
        execute format('grant purser_server to %I', current_user);
      end if;
    exception
      when insufficient_privilege or duplicate_object or unique_violation then null;
    end $$`,
};

/** What the role may do, in full: run after every migration. */
export const setRights: Statement = {
  name: 'set_rights',
  text: `
    do $$
    begin
      if not exists (
        select from pg_roles r
        where r.rolname = 'purser_server' and pg_has_role(current_user, r.oid, 'member')
      ) then
        return;
      end if;
      grant usage on schema public to purser_server;
      revoke all on all tables in schema public from purser_server;
      grant select on all tables in schema public to purser_server;
      grant insert on operations, entries, entry_sums, price_books to purser_server;
      grant insert, update on
        accounts, balances, grants,
        api_keys, api_key_secrets, api_key_uses, operator_keys, operator_key_uses
        to purser_server;
      grant insert, update on rollups, usage_days, usage_quantities, call_claims, call_endings
        to purser_server;
      grant insert, update on idempotent_requests to purser_server;
      grant insert, delete on holds to purser_server;
      grant insert, update, delete on spend_limits to purser_server;
    end $$`,
};
