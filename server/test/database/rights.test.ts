import { afterEach, describe, expect, test } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { type OpenDatabase, openDatabase } from '../../src/db/open.ts';
import { createAccount } from '../../src/ledger/accounts/accounts.ts';
import { usePlaces } from './places.ts';
import { grantOf, newLedger, wanted } from './rig.ts';

/** The rights of the server's login, its role and other logins in its database. */

const places = usePlaces();
const opened: OpenDatabase[] = [];
const log = { info: () => {}, warn: () => {} };

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});
/** Opens a database as a server does. */
async function open(databaseUrl: string, migrationUrl?: string): Promise<OpenDatabase> {
  const { signal } = new AbortController();
  const one = await openDatabase({
    databaseUrl,
    migrationUrl,
    dataDir: '',
    as: 'server',
    log,
    signal,
  });
  opened.push(one);
  return one;
}

/** Makes an account with a grant, as a server does. */
async function work({ database }: OpenDatabase): Promise<void> {
  const { ledger } = newLedger(database);
  const made = await createAccount(database, { kind: 'individual', name: 'A', externalId: null });
  if (!('created' in made)) throw new Error('the account exists');
  const outcome = await ledger.submit(grantOf(made.created, 5n), wanted);
  expect(outcome).toMatchObject({ kind: 'recorded' });
  await ledger.stop();
}

/**
 * Runs statements in a server's session. Resolves with `done`, or the SQLSTATE of the first
 * failure.
 */
async function inSession({ database }: OpenDatabase, ...texts: string[]): Promise<unknown> {
  return database
    .transaction(async (tx) => {
      for (const text of texts) await tx.rows({ name: '', text });
      return 'done';
    })
    .catch(({ cause }: { cause?: { code?: string } }) => cause?.code);
}

async function roleOf(database: string): Promise<string> {
  const [row] = await places.run<{ role: string }>(
    places.config(database),
    `select 'purser_server_' || oid as role from pg_database where datname = current_database()`,
  );
  return row?.role ?? '';
}

const CHANGES = [
  'update entries set amount = amount',
  'delete from operations',
  'truncate entries',
  'alter table entries disable trigger all',
];

describe('one login for everything', () => {
  test('works under a role for its own database, and the verification names the remaining risk', async () => {
    const name = await places.database();
    const one = await open(places.url(name));
    await work(one);
    const [row] = await one.database.rows({ name: '', text: 'select current_user::text as role' });
    expect(row).toEqual({ role: await roleOf(name) });
    for (const change of CHANGES) expect(await inSession(one, change), change).toBe('42501');
    expect(await inSession(one, 'reset role', 'update entries set amount = amount')).toBe('done');
    expect(one.unprotected).toEqual([expect.stringContaining('RESET ROLE')]);
  });

  test('that may not make roles works all the same, and the verification says so', async () => {
    const login = await places.login();
    const name = await places.database({ owner: login });
    const one = await open(places.url(name, login));
    await work(one);
    expect(await inSession(one, 'update entries set amount = amount')).toBe('done');
    expect(one.unprotected).toEqual([expect.stringContaining('append-only by the program alone')]);
  });

  test('that may make roles works under the role that it makes', async () => {
    const login = await places.login('createrole');
    const name = await places.database({ owner: login });
    const one = await open(places.url(name, login));
    await work(one);
    expect(await inSession(one, 'update entries set amount = amount')).toBe('42501');
  });
});

describe('two logins', () => {
  test('give a session of the server no way to change an entry', async () => {
    const owner = await places.login();
    const serving = await places.login();
    const name = await places.database({ owner });
    const one = await open(places.url(name, serving), places.url(name, owner));
    expect(one.migrated.length).toBeGreaterThan(5);
    await work(one);
    for (const change of CHANGES) {
      expect(await inSession(one, change), change).toBe('42501');
      expect(await inSession(one, 'reset role', change), change).toBe('42501');
      expect(await inSession(one, 'set role none', change), change).toBe('42501');
      expect(await inSession(one, `set role ${owner}`, change), change).toBe('42501');
    }
    expect(one.unprotected).toEqual([]);
  });

  test('need the owner only for the migrations', async () => {
    const owner = await places.login();
    const serving = await places.login();
    const name = await places.database({ owner });
    await expect(open(places.url(name, serving))).rejects.toMatchObject({
      name: 'OperatorError',
      solution: expect.any(String),
    });
    await (await open(places.url(name, serving), places.url(name, owner))).close();
    opened.pop();
    const later = await open(places.url(name, serving));
    expect(later.migrated).toEqual([]);
    await work(later);
    expect(later.unprotected).toEqual([]);
  });

  test('that name two databases are refused', async () => {
    const serving = await places.login();
    const [first, second] = [await places.database(), await places.database()];
    for (const name of [first, second]) {
      await migrate(places.config(name), log, { login: serving });
    }
    await expect(open(places.url(first, serving), places.url(second))).rejects.toMatchObject({
      message: 'DATABASE_URL and PURSER_MIGRATION_URL name two databases.',
      details: expect.stringContaining(second),
    });
  });

  test('are refused, with the cure, while the second has no rights', async () => {
    const name = await places.database();
    await migrate(places.config(name), log);
    await places.run(places.config(name), `grant connect on database ${name} to public`);
    const stranger = await places.login();
    await places.run(places.config(name), `grant select on purser_migrations to ${stranger}`);
    await expect(open(places.url(name, stranger))).rejects.toMatchObject({
      message: 'The login of DATABASE_URL does not have the rights that the server needs.',
      solution: expect.stringContaining('PURSER_MIGRATION_URL'),
    });
  });
});

describe('a database', () => {
  const connectors = async (name: string) => {
    const [row] = await places.run<{ open: boolean }>(
      places.config(name),
      `select has_database_privilege('public', current_database(), 'connect') as open`,
    );
    return row?.open;
  };

  test('that was empty is closed to everybody but the server', async () => {
    const owner = await places.login();
    const serving = await places.login();
    const stranger = await places.login();
    const name = await places.database({ owner });
    await open(places.url(name, serving), places.url(name, owner));
    expect(await connectors(name)).toBe(false);
    await expect(places.run(places.config(name, stranger), 'select')).rejects.toMatchObject({
      code: '42501',
    });
    expect(await places.run(places.config(name, serving), 'select 1 as a')).toEqual([{ a: 1 }]);
  });

  test('that others use stays open to them, and the verification says so', async () => {
    const owner = await places.login();
    const serving = await places.login();
    const name = await places.database({ owner });
    await places.run(places.config(name, owner), 'create table theirs (a int)');
    const one = await open(places.url(name, serving), places.url(name, owner));
    expect(await connectors(name)).toBe(true);
    expect(one.unprotected).toEqual([expect.stringContaining('Every login of this PostgreSQL')]);
  });

  test('that the operator has opened again stays open', async () => {
    const name = await places.database();
    await (await open(places.url(name))).close();
    opened.pop();
    await places.run(places.config(name), `grant connect on database ${name} to public`);
    await open(places.url(name));
    expect(await connectors(name)).toBe(true);
  });

  test('shares no rights with another one of the same PostgreSQL', async () => {
    const [first, second] = [await places.database(), await places.database()];
    for (const name of [first, second]) await open(places.url(name));
    const role = await roleOf(first);
    const [rights] = await places.run<{ reads: boolean }>(
      places.config(second),
      `select has_table_privilege('${role}', 'entries', 'select') as reads`,
    );
    expect(rights).toEqual({ reads: false });
  });
});

describe('a database of the previous release', () => {
  /** Makes a database as that release left it: one role for all databases. */
  const leftBehind = async () => {
    const name = await places.database();
    await migrate(places.config(name), log);
    await places.run(
      places.config(name),
      `do $$ begin create role purser_server nologin;
       exception when duplicate_object then null; end $$`,
      `drop owned by ${await roleOf(name)}`,
      `drop role ${await roleOf(name)}`,
      `grant select on all tables in schema public to purser_server`,
      `grant insert on operations, entries, entry_sums, price_books to purser_server`,
      `grant insert, update on accounts, balances, grants, api_keys, api_key_secrets, api_key_uses,
         operator_keys, operator_key_uses, rollups, usage_days, usage_quantities, call_claims,
         call_endings to purser_server`,
      `grant insert, delete on holds to purser_server`,
      `grant insert, update, delete on spend_limits to purser_server`,
    );
    return name;
  };
  test('gets its own role, and nodes of that release go on under theirs', async () => {
    const name = await leftBehind();
    const one = await open(places.url(name));
    await work(one);
    const [row] = await one.database.rows({ name: '', text: 'select current_user::text as role' });
    expect(row).toEqual({ role: await roleOf(name) });
    expect(
      await places
        .run(
          { ...places.config(name), options: '-c role=purser_server' },
          `insert into accounts (id, public_id, kind, name, created_at)
         values (gen_random_uuid(), 'b', 'individual', 'B', now()) on conflict do nothing`,
        )
        .catch((error: { code: string }) => error.code),
    ).toBe('23514');
    expect(one.unprotected).toContainEqual(expect.stringContaining('drop owned by purser_server'));
  });

  test('keeps the old role if the login may make none', async () => {
    const login = await places.login();
    const name = await places.database({ owner: login });
    await migrate(places.config(name, login), log);
    await places.run(
      places.config(name),
      `do $$ begin create role purser_server nologin;
       exception when duplicate_object then null; end $$`,
      `grant purser_server to ${login}`,
    );
    const one = await open(places.url(name, login));
    await work(one);
    expect(await inSession(one, 'update entries set amount = amount')).toBe('42501');
    expect(one.unprotected).toContainEqual(
      expect.stringContaining('shared by all Purser databases'),
    );
  });
});

test('every table has its rights: the server can read each, and append to each but the migrations', async () => {
  const name = await places.database();
  const serving = await places.login();
  await migrate(places.config(name), log, { login: serving });
  const rows = await places.run<{ name: string }>(
    places.config(name),
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'public' and c.relkind in ('r', 'p')
       and not (has_table_privilege('${serving}', c.oid, 'select')
                and has_table_privilege('${serving}', c.oid, 'insert'))`,
  );
  expect(rows).toEqual([{ name: 'purser_migrations' }]);
});
