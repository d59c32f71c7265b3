import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject } from 'vitest';
import { TEMPLATE } from '../clusters.ts';

/** Databases and logins of a test's own in the project's PostgreSQL. */
export interface Places {
  /** An empty database; with `from`, a copy. */
  database(options?: { from?: string; owner?: string }): Promise<string>;
  /** A login without a password, with more attributes such as `createrole`. */
  login(attributes?: string): Promise<string>;
  /** How to connect; without a login as the bootstrap superuser. */
  config(database: string, login?: string): pg.ClientConfig;
  /** The same as a URL. */
  url(database: string, login?: string): string;
  /** Statements on a connection that lasts as long as they do. */
  run<Row extends pg.QueryResultRow>(config: pg.ClientConfig, ...texts: string[]): Promise<Row[]>;
}

/** Drops the databases at the end of the file; roles go with their PostgreSQL. Call it once, at the top level. */
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

/** The migrated database that can be copied. */
export const MIGRATED = TEMPLATE;
