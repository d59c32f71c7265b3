import pg from 'pg';
import { OperatorError } from '../operator-error.ts';
import type { Sql, Statement } from './connection/database.ts';
import * as sql from './sql.ts';

/**
 * The server's rights in the database (adr/0010). It reads all tables, appends to the ledger and changes
 * the state of accounts, but can neither update nor delete an operation or an entry.
 *
 * The login of `DATABASE_URL` has these rights if it does not own the tables. Then no session can get
 * more, even by `RESET ROLE`. If the login is also the owner, its sessions take a role with these rights.
 */

type Right = 'insert' | 'update' | 'delete';

/** The server's rights besides reading, by table. */
const RIGHTS: Readonly<Record<string, readonly Right[]>> = {
  accounts: ['insert', 'update'],
  balances: ['insert', 'update'],
  grants: ['insert', 'update'],
  holds: ['insert', 'delete'],
  operations: ['insert'],
  entries: ['insert'],
  spend_limits: ['insert', 'update', 'delete'],
  api_keys: ['insert', 'update'],
  api_key_secrets: ['insert', 'update'],
  api_key_uses: ['insert', 'update'],
  operator_keys: ['insert', 'update'],
  operator_key_uses: ['insert', 'update'],
  rollups: ['insert', 'update'],
  entry_sums: ['insert'],
  usage_days: ['insert', 'update'],
  usage_quantities: ['insert', 'update'],
  price_books: ['insert'],
  call_claims: ['insert', 'update'],
  idempotent_calls: ['insert', 'update', 'delete'],
  idempotent_requests: ['insert', 'update'],
  call_endings: ['insert', 'update'],
};

/** The role that earlier releases made: one for all databases of a PostgreSQL. */
const ROLE_BEFORE = 'purser_server';

/**
 * Grants the server's login its rights, or makes the role that it takes, as far as the caller may. The
 * caller owns the tables. Call it after every migration; it is idempotent. Nodes of the release before
 * keep the role that they have.
 */
export async function setRights(owner: Sql, login: string): Promise<void> {
  await owner.rows(sql.lockRights);
  const place = await placeOf(owner, login);
  if (!place?.may_grant) return;
  const role = place.login_is_owner ? place.role : login;
  if (await isFit(owner, role, login)) return;
  if (place.may_let_in) await owner.rows(letIn(place.database, login));
  if (role === login) return void (await owner.rows(grantTo(login)));
  await owner.rows(sql.nameRole, [role, login]);
  await owner.rows(sql.makeRole);
  // An owner that may not make roles may have been given one, or the role of earlier releases.
  for (const name of [role, ROLE_BEFORE]) {
    if (!(await fitnessOf(owner, name, login))) continue;
    if (!(await isFit(owner, name, login))) await owner.rows(grantTo(name));
    return;
  }
}

/**
 * Revokes the public's right to connect. The caller knows that the database is Purser's alone: it was
 * empty, or is embedded.
 */
export async function closeToPublic(owner: Sql, login: string): Promise<void> {
  const place = await placeOf(owner, login);
  if (!place?.may_let_in) return;
  const database = pg.escapeIdentifier(place.database);
  await owner.rows(statement(`revoke connect on database ${database} from public`));
}

/** The role of the server's sessions, and the protection that is missing. */
export interface Standing {
  /** The role that sessions take; null: they keep their login. */
  readonly role: string | null;
  /** Missing protections, each with its cure; for `purser verify`. */
  readonly unprotected: readonly string[];
}

/**
 * The standing of the session's login. Throws OperatorError if the login lacks a right that the server
 * needs.
 */
export async function standingOf(on: Sql): Promise<Standing> {
  const place = await placeOf(on, null);
  if (!place) throw new Error('the session has no login');
  const { login, login_is_owner: isOwner } = place;
  const roles = isOwner ? [place.role, ROLE_BEFORE] : [login, place.role, ROLE_BEFORE];
  for (const role of roles) {
    if (!(await isFit(on, role, login))) continue;
    return { role: role === login ? null : role, unprotected: openIn(place, role) };
  }
  const fitness = await fitnessOf(on, login, login);
  if (fitness?.is_able) return { role: null, unprotected: openIn(place, null) };
  throw new OperatorError(
    'The login of DATABASE_URL does not have the rights that the server needs.',
    `${login} lacks rights on the tables in the database ${place.database}.`,
    'Run `purser migrate` once with DATABASE_URL as it is and the login that owns the tables in PURSER_MIGRATION_URL: it grants the rights.',
  );
}

/** The missing protections; `role` is the restricted role, null: there is none. */
function openIn(place: sql.PlaceRow, role: string | null): string[] {
  const { database, login } = place;
  const twoLogins = `give the server a login of its own in DATABASE_URL, and name the owner's in PURSER_MIGRATION_URL`;
  const notes: string[] = [];
  if (role === null) {
    notes.push(
      `The login ${login} can change and delete entries, so they are append-only by the program alone: ${twoLogins} (or give ${login} CREATEROLE).`,
    );
  } else if (place.login_is_owner) {
    notes.push(
      `A session that runs RESET ROLE is ${login}, who owns the tables and can change entries: ${twoLogins}.`,
    );
  }
  if (role === ROLE_BEFORE) {
    notes.push(
      `The role ${ROLE_BEFORE} is shared by all Purser databases of this PostgreSQL: let an administrator run "create role ${place.role}; grant ${place.role} to ${login}", then run \`purser migrate\`.`,
    );
  } else if (place.has_role_before) {
    notes.push(
      `The role ${ROLE_BEFORE} of an earlier release still has its rights here: once no node of that release runs, run "drop owned by ${ROLE_BEFORE}" in the database ${database}.`,
    );
  }
  if (place.is_public) {
    notes.push(
      `Every login of this PostgreSQL may connect to the database ${database}: if it is Purser's alone, run "revoke connect on database ${database} from public" after "grant connect on database ${database} to ${login}".`,
    );
  }
  return notes;
}

async function placeOf(on: Sql, login: string | null): Promise<sql.PlaceRow | undefined> {
  const [place] = await on.rows<sql.PlaceRow>(sql.readPlace, [login, ROLE_BEFORE]);
  return place;
}

/** Whether the login can take the role, and the role has the server's rights and no more. */
async function isFit(on: Sql, role: string, login: string): Promise<boolean> {
  const fitness = await fitnessOf(on, role, login);
  return (fitness?.is_able && fitness.is_restricted) ?? false;
}

/** Undefined: there is no such role, or the login may not take it. */
async function fitnessOf(
  on: Sql,
  role: string,
  login: string,
): Promise<sql.FitnessRow | undefined> {
  const wanted = Object.entries(RIGHTS).flatMap(([table, rights]) =>
    ['select', ...rights].map((right) => ({ table, right })),
  );
  const [fitness] = await on.rows<sql.FitnessRow>(sql.readFitness, [
    role,
    wanted.map(({ table }) => table),
    wanted.map(({ right }) => right),
    login,
  ]);
  return fitness;
}

/** Grants exactly the server's rights. */
function grantTo(role: string): Statement {
  const to = pg.escapeIdentifier(role);
  const grants = Object.entries(RIGHTS).map(
    ([table, rights]) => `grant ${rights.join(', ')} on ${table} to ${to};`,
  );
  return statement(`
    grant usage on schema public to ${to};
    revoke all on all tables in schema public from ${to};
    grant select on all tables in schema public to ${to};
    ${grants.join('\n')}`);
}

function letIn(database: string, login: string): Statement {
  const [of, to] = [database, login].map(pg.escapeIdentifier);
  return statement(`grant connect on database ${of} to ${to}`);
}

function statement(text: string): Statement {
  return { name: '', text };
}
