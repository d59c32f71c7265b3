/** Where Debian's package postgresql-15 puts its programs. */
export const DEBIAN_POSTGRESQL_15 = '/usr/lib/postgresql/15/bin';

/** The database that each test file's own is copied from. */
export const TEMPLATE = 'purser_template';
