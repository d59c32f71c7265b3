/** Where Debian's package postgresql-15 puts its programs. */
export const DEBIAN_POSTGRESQL_15 = '/usr/lib/postgresql/15/bin';

/** Where Debian's package pgbouncer puts its program. */
export const PGBOUNCER = '/usr/sbin/pgbouncer';

/** The database that each test file's own is copied from. */
export const TEMPLATE = 'purser_template';
