/** The folder of the programs in Debian's package postgresql-15. */
export const DEBIAN_POSTGRESQL_15 = '/usr/lib/postgresql/15/bin';

/** The program in Debian's package pgbouncer. */
export const PGBOUNCER = '/usr/sbin/pgbouncer';

/** The migrated database from which each test file's own is copied. */
export const TEMPLATE = 'purser_template';
