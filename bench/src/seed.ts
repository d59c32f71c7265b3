import { createHash, hash, randomUUID } from 'node:crypto';
import pg from 'pg';
import { createApiKey } from '../../server/src/auth/api-keys.ts';
import { createOperatorKey } from '../../server/src/auth/operator-keys.ts';
import { PostgresDatabase } from '../../server/src/db/connection/postgres.ts';
import { migrate } from '../../server/src/db/migrate.ts';
import { type Account, createAccount } from '../../server/src/ledger/accounts/accounts.ts';
import { Ledger } from '../../server/src/ledger/ledger.ts';
import { type Digest, LOCAL } from '../../server/src/ledger/operations/operations.ts';

/** Accounts, keys and entries that the databases hold before a run. */

/** Microcents of each account: ten billion cents, more than a run spends. */
const CREDIT = 10_000_000_000_000_000n;
/** Scopes of the balance endpoint and of the gateway's routes. */
const CUSTOMER_SCOPES = ['balance:read', 'search'];
const AT_ONCE = 64;
/** Accounts that one statement of `growLedger` covers. */
const GROWN_AT_ONCE = 500;

export interface Seeds {
  readonly operatorKey: string;
  /** The public ids of the accounts that are charged. */
  readonly accounts: readonly string[];
  /** A customer's key in each of the first accounts, in their order. */
  readonly customerKeys: readonly string[];
}

const silent = { info: () => {}, warn: () => {}, error: () => {} };
const nobody = {
  batch() {},
  queued() {},
  committed() {},
  ranAgain() {},
  refused() {},
  failed() {},
  reads() {},
};

/** Accounts with a grant each, keys, and an operator key, through Purser's own modules. */
export async function seedPurser(
  config: pg.ClientConfig,
  counts: { accounts: number; customerKeys: number },
): Promise<Seeds> {
  await migrate(config, silent);
  const database = new PostgresDatabase({ source: () => config, role: null, log: silent });
  const ledger = new Ledger(database, { log: silent, observer: nobody });
  const accounts: string[] = [];
  const customerKeys: string[] = [];
  const make = async (index: number) => {
    const account = await newAccount(database);
    accounts[index] = account.publicId;
    const granted = await ledger.submit(grantTo(account), () => true);
    if (granted.kind !== 'recorded') throw new Error('a grant was not recorded');
    if (index >= counts.customerKeys) return;
    const terms = { name: null, scopes: CUSTOMER_SCOPES, expiresAt: null };
    customerKeys[index] = (await createApiKey(database, account.id, terms)).secret;
  };
  for (let made = 0; made < counts.accounts; made += AT_ONCE) {
    const length = Math.min(AT_ONCE, counts.accounts - made);
    await Promise.all(Array.from({ length }, (_, index) => make(made + index)));
  }
  const terms = { name: 'bench', scopes: null, expiresAt: null };
  const { secret } = await createOperatorKey(database, terms);
  await ledger.stop();
  await database.close();
  await analyze(config);
  return { operatorKey: secret, accounts, customerKeys };
}

async function newAccount(database: PostgresDatabase): Promise<Account> {
  const input = { kind: 'organization', name: 'Bench', externalId: null } as const;
  const made = await createAccount(database, input);
  if ('created' in made) return made.created;
  throw new Error('an account without an external id cannot exist before');
}

function grantTo(account: Account) {
  const digest = `\\x${hash('sha256', randomUUID()).slice(0, 32)}` as Digest;
  return {
    kind: 'grant',
    account: account.id,
    accountPublicId: account.publicId,
    actor: LOCAL,
    idempotencyDigest: digest,
    fingerprint: digest,
    amount: CREDIT,
    description: null,
    metadata: null,
    terms: { category: 'paid', priority: 50, effectiveAt: null, expiresAt: null, appliesTo: null },
  } as const;
}

/** The textbook's tables, with the same accounts and the same key. */
export async function seedTextbook(config: pg.ClientConfig, seeds: Seeds): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  await client.query(`
    create table keys (id serial primary key, sha256 bytea unique not null, revoked_at timestamptz);
    create table balances (account text primary key, amount bigint not null check (amount >= 0))
      with (fillfactor = 50);
    create table lines (
      id bigserial primary key, account text not null, amount bigint not null,
      idempotency_key text unique not null, at timestamptz not null default now());`);
  await client.query('insert into keys (sha256) values ($1)', [
    createHash('sha256').update(seeds.operatorKey).digest(),
  ]);
  await client.query('insert into balances select unnest($1::text[]), $2', [
    seeds.accounts,
    CREDIT,
  ]);
  await client.end();
  await analyze(config);
}

/** Adds charges to the accounts of a fresh seed until the ledger holds that many entries. */
export async function growLedger(config: pg.ClientConfig, entries: number): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  const { rows } = await client.query(
    'select account_id, posted from balances order by account_id',
  );
  const perAccount = Math.ceil(entries / rows.length);
  for (let at = 0; at < rows.length; at += GROWN_AT_ONCE) {
    const accounts = rows.slice(at, at + GROWN_AT_ONCE).map(({ account_id }) => account_id);
    const values = [accounts, perAccount];
    await client.query(
      `insert into operations (account_id, number, kind, at, amount, available_after, scope,
                               idempotency_digest, fingerprint)
       select b.account_id, n, 'charge', b.last_at, 1, b.posted - n + 1, 'search',
              decode(md5(b.account_id::text || n), 'hex'), decode(md5(n::text), 'hex')
       from balances b cross join generate_series(2, $2::int) n
       where b.account_id = any($1::uuid[])`,
      values,
    );
    await client.query(
      `insert into entries (account_id, number, line, amount, grant_number, category, book,
                            posted_after)
       select b.account_id, n, 1, -1, 1, 'paid', 'revenue', b.posted - n + 1
       from balances b cross join generate_series(2, $2::int) n
       where b.account_id = any($1::uuid[])`,
      values,
    );
  }
  await client.query('update grants set remaining = remaining - $1 + 1', [perAccount]);
  await client.query('update balances set posted = posted - $1 + 1, last_number = $1', [
    perAccount,
  ]);
  await client.end();
  await analyze(config);
}

/** Does at once the work that autovacuum would do later. */
async function analyze(config: pg.ClientConfig): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  await client.query('vacuum analyze');
  await client.end();
}
