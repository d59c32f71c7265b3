import type { Statement } from './connection/database.ts';

// --- readiness --------------------------------------------------------------------------

export interface ReadinessRow {
  is_writable: boolean;
  migrations: string[];
}

export const readReadiness: Statement = {
  name: 'read_readiness',
  text: `
    select not pg_is_in_recovery() and not current_setting('transaction_read_only')::boolean
             as is_writable,
           array(select name::text from purser_migrations) as migrations`,
};

// --- migrations -------------------------------------------------------------------------

/** The version of PostgreSQL, as a number such as 150018. */
export const serverVersion: Statement = {
  name: 'server_version',
  text: `select current_setting('server_version_num')::int as version`,
};

/** Whether the table of applied migrations exists. `to_regclass` is null on an empty database. */
export const migrationsTable: Statement = {
  name: 'migrations_table',
  text: `select to_regclass('purser_migrations') is not null as exists`,
};
export const appliedMigrations: Statement = {
  name: 'applied_migrations',
  text: 'select name from purser_migrations order by id',
};

/** Whether the session's login may migrate: it may make tables, or owns the existing ones. */
export const mayMigrate: Statement = {
  name: 'may_migrate',
  text: `
    select case when to_regclass('purser_migrations') is null
           then coalesce(has_schema_privilege(current_schema(), 'create'), false)
           else (select pg_has_role(relowner, 'member') from pg_class
                 where oid = to_regclass('purser_migrations')) end as may,
           session_user as login`,
};

/** Whether the database has no tables or views besides those of extensions. */
export const isEmpty: Statement = {
  name: 'is_empty',
  text: `
    select not exists (
      select from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'f')
        and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
        and not exists (select from pg_depend d
                        where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.deptype = 'e')
    ) as is_empty`,
};

// --- rights -----------------------------------------------------------------------------

/** Serializes the setting of rights: two nodes at once would fail on the same catalogue rows. */
export const lockRights: Statement = {
  name: 'lock_rights',
  text: `select pg_advisory_xact_lock(hashtextextended('purser rights', 0))`,
};

export interface PlaceRow {
  database: string;
  /** The name of this database's role, which may not exist. It contains the database's oid. */
  role: string;
  login: string;
  /** Whether the session may grant rights on the tables and on the database. */
  may_grant: boolean;
  may_let_in: boolean;
  /** Whether the login owns the tables, or can become their owner. */
  login_is_owner: boolean;
  /** Whether every login may connect to the database. */
  is_public: boolean;
  /** Whether the role of earlier releases may write here. */
  has_role_before: boolean;
}

/**
 * The rights of a login in this database. No row: PostgreSQL does not know the login, for example if a
 * pooler has its own. Before PostgreSQL 16 a login with CREATEROLE could take any role.
 * $1 the login, $2 the role of earlier releases.
 */
export const readPlace: Statement = {
  name: 'read_place',
  text: `
    select d.datname as database, 'purser_server_' || d.oid as role, l.rolname as login,
           pg_has_role(current_user, c.relowner, 'member') as may_grant,
           pg_has_role(current_user, d.datdba, 'member') as may_let_in,
           pg_has_role(l.oid, c.relowner, 'member') or pg_has_role(l.oid, n.nspowner, 'member')
             or (l.rolcreaterole and current_setting('server_version_num')::int < 160000)
             as login_is_owner,
           has_database_privilege('public', d.oid, 'connect') as is_public,
           exists (select from pg_roles r where r.rolname = $2
                   and has_table_privilege(r.oid, c.oid, 'insert')) as has_role_before
    from pg_database d, pg_roles l, pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where d.datname = current_database() and l.rolname = coalesce($1, session_user)
      and c.oid = to_regclass('operations')`,
};

/** From PostgreSQL 16 on a member of a role may lack the right to take it. */
const MAY_TAKE = `
  case when current_setting('server_version_num')::int >= 160000
       then pg_has_role(l.oid, r.oid, 'set') else pg_has_role(l.oid, r.oid, 'member') end`;

/** Names the role and the login for the next two statements. $1 the role, $2 the login. */
export const nameRole: Statement = {
  name: 'name_role',
  text: `select set_config('purser.role', $1, true), set_config('purser.login', $2, true)`,
};

/** Makes the role, if the session may make roles, and lets the login take it. */
export const makeRole: Statement = {
  name: 'make_role',
  text: `
    do $$
    declare
      role text := current_setting('purser.role');
      login text := current_setting('purser.login');
    begin
      if not exists (select from pg_roles where rolname = role) then
        execute format('create role %I nologin', role);
      end if;
      if not (select ${MAY_TAKE} from pg_roles r, pg_roles l
              where r.rolname = role and l.rolname = login) then
        execute format('grant %I to %I', role, login);
      end if;
    exception
      when insufficient_privilege or duplicate_object or unique_violation then null;
    end $$`,
};

export interface FitnessRow {
  /** Whether the role has all rights that the server needs. */
  is_able: boolean;
  /** Whether neither the role nor any that it can take may change or delete an operation or an entry. */
  is_restricted: boolean;
}

/**
 * The rights of a role. No row: the login may not take it. $1 the role, $2 tables and $3 rights that the
 * server needs, $4 the login.
 */
export const readFitness: Statement = {
  name: 'read_fitness',
  text: `
    select (select bool_and(has_table_privilege(r.oid, wanted.name::regclass, wanted.right_to))
            from unnest($2::text[], $3::text[]) as wanted (name, right_to)) as is_able,
           not exists (
             select from pg_roles m, unnest('{operations,entries}'::regclass[]) as ledger (id)
             where pg_has_role(r.oid, m.oid, 'member')
               and (has_table_privilege(m.oid, ledger.id, 'update, delete, truncate')
                    or has_any_column_privilege(m.oid, ledger.id, 'update'))
           ) as is_restricted
    from pg_roles r, pg_roles l
    where r.rolname = $1 and l.rolname = $4
      and (r.oid = l.oid or ${MAY_TAKE})`,
};

/** Drops the role of earlier releases, unless it has rights in another database. For embedded databases. */
export const dropRoleBefore: Statement = {
  name: 'drop_role_before',
  text: `
    do $$
    begin
      if exists (select from pg_roles where rolname = 'purser_server') then
        drop owned by purser_server;
        drop role purser_server;
      end if;
    exception
      when dependent_objects_still_exist then null;
    end $$`,
};
