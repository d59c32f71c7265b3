import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject } from 'vitest';
import { TEMPLATE } from '../clusters.ts';

/** A test's own databases and logins in the tests' PostgreSQL. */
export interface Places {
  /** Creates an empty database or, with `from`, a copy. Resolves with its name. */
  database(options?: { from?: string; owner?: string }): Promise<string>;
  /**
   * Creates a login without a password, with attributes such as `createrole`. Resolves with its
   * name.
   */
  login(attributes?: string): Promise<string>;
  /** The settings of a connection; without `login` it is the bootstrap superuser's. */
  config(database: string, login?: string): pg.ClientConfig;
  /** The same settings as a URL. */
  url(database: string, login?: string): string;
  /** Runs statements on one connection, and closes it. Resolves with the rows of the last. */
  run<Row extends pg.QueryResultRow>(config: pg.ClientConfig, ...texts: string[]): Promise<Row[]>;
}

/** Drops the databases at the end of the file; logins stay. Call it once, at the top level. */
export function usePlaces(): Places {
  const databases: string[] = [];
  const unique = () => `places_${randomBytes(6).toString('hex')}`;
  const places: Places = {
    config: (database, login) => {
      const { host, port, user } = inject('postgres');
      return { host, port, user: login ?? user, database };
    },
    url: (database, login) => {
      const { host, port, user } = places.config(database, login);
      return `postgresql://${user}@/${database}?host=${encodeURIComponent(String(host))}&port=${port}`;
    },
    run: async (config, ...texts) => {
      const client = new pg.Client(config);
      await client.connect();
      try {
        let last: pg.QueryResultRow[] = [];
        for (const text of texts) last = (await client.query(text)).rows;
        return last as never;
      } finally {
        await client.end();
      }
    },
    database: async ({ from = 'template0', owner } = {}) => {
      const name = unique();
      databases.push(name);
      const ownedBy = owner === undefined ? '' : ` owner ${owner}`;
      await places.run(
        places.config('postgres'),
        `create database ${name} template ${from}${ownedBy}`,
      );
      return name;
    },
    login: async (attributes = '') => {
      const name = unique();
      await places.run(places.config('postgres'), `create role ${name} login ${attributes}`);
      return name;
    },
  };
  afterAll(async () => {
    const admin = places.config('postgres');
    for (const name of databases) await places.run(admin, `drop database ${name} with (force)`);
  });
  return places;
}

/** The migrated database, to copy from. */
export const MIGRATED = TEMPLATE;
