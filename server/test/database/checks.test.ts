import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { useDatabase } from '../postgres.ts';

const db = useDatabase();
let client: pg.Client;

const ID = `'00000000-0000-0000-0000-000000000001'::uuid`;
const KEY = `'00000000-0000-0000-0000-0000000000aa'::uuid`;
const DIGEST = `decode(repeat('00', 16), 'hex')`;
const HASH = `decode(repeat('00', 32), 'hex')`;

/** A valid row of each table that has a CHECK. */
const SOUND: readonly string[] = [
  `insert into accounts (id, public_id, kind, name, created_at)
   values (${ID}, rpad('00000000000000000000000000000001', 64, '0'), 'individual', 'A', now())`,
  `insert into balances (account_id, posted, held, open_holds, last_at) values (${ID}, 10, 5, 1, now())`,
  `insert into grants (account_id, number, category, book, priority, amount, remaining, reserved,
                       effective_at, started, live)
   values (${ID}, 1, 'paid', 'funding', 50, 10, 9, 5, now(), true, true)`,
  `insert into holds (account_id, number, amount, expires_at, grants, amounts)
   values (${ID}, 3, 5, now(), '{1}', '{5}')`,
  `insert into operations (account_id, number, kind, at, amount, available_after,
                           idempotency_digest, fingerprint)
   values (${ID}, 2, 'charge', now(), 1, 4, ${DIGEST}, ${DIGEST})`,
  `insert into entries (account_id, number, line, amount, grant_number, category, book, posted_after)
   values (${ID}, 2, 1, -1, 1, 'paid', 'revenue', 9)`,
  `insert into api_keys (id, account_id, scopes, created_at) values (${KEY}, ${ID}, '{a}', now())`,
  `insert into api_key_secrets (sha256, api_key_id) values (${HASH}, ${KEY})`,
  `insert into operator_keys (id, scopes, masked, sha256, created_at)
   values (${KEY}, '{}', 'prso_', ${HASH}, now())`,
  `insert into spend_limits (account_id, holder, period, amount, used, period_start)
   values (${ID}, ${ID}, 'day', 1, 0, now())`,
  `insert into rollups (account_id, number) values (${ID}, 2)`,
  `insert into usage_days (account_id, day, charges, charged, reversed)
   values (${ID}, current_date, 1, 1, 0)`,
  `insert into entry_sums (account_id, number, kind, book, category, amount, entries)
   values (${ID}, 2, 'charge', 'revenue', 'paid', -1, 1)`,
  `insert into price_books (version, text, sha256, effective_at) values (1, '', ${HASH}, now())`,
  `insert into call_endings (account_id, number, at, ending) values (${ID}, 2, now(), 'delivered')`,
  `insert into call_claims (account_id, idempotency_digest, fingerprint, until)
   values (${ID}, ${DIGEST}, ${DIGEST}, now())`,
  `insert into idempotent_calls (account_id, idempotency_digest, fingerprint, payment_digest, until,
                                 expires_at, is_used, charge, status, headers, body)
   values (${ID}, ${DIGEST}, ${DIGEST}, ${DIGEST}, now(), now(), true, 2, 200, '{}', '')`,
  `insert into idempotent_requests (idempotency_digest, fingerprint, at, status, answer,
                                    secret_sha256, secret_salt)
   values (${DIGEST}, ${DIGEST}, now(), 201, '{}', ${HASH}, ${HASH})`,
];

/** For each CHECK, the change that makes a valid row break it and no other. */
const BROKEN: Readonly<Record<string, string>> = {
  accounts_public_id_begins_with_id: `public_id = repeat('a', 64)`,
  accounts_external_id_has_1_to_255_characters: `external_id = ''`,
  accounts_name_has_1_to_255_characters: `name = repeat('x', 256)`,
  api_key_secrets_sha256_has_32_bytes: `sha256 = '\\x00'`,
  api_keys_name_has_1_to_255_characters: `name = ''`,
  balances_posted_below_zero_only_by_overdraft: 'posted = -1',
  balances_held_includes_overdraft_reserved: 'overdraft_reserved = held + 1',
  balances_held_is_not_negative: 'held = -1',
  balances_last_number_is_not_negative: 'last_number = -1',
  balances_open_holds_is_not_negative: 'open_holds = -1',
  balances_overdraft_limit_is_not_negative: 'overdraft_limit = -1',
  call_claims_attempts_is_positive: 'attempts = 0',
  call_claims_fingerprint_has_16_bytes: `fingerprint = '\\x00'`,
  call_claims_idempotency_digest_has_16_bytes: `idempotency_digest = '\\x00'`,
  call_claims_outcome_is_known: `outcome = 'other'`,
  call_claims_payment_is_positive: 'payment = 0',
  call_endings_ending_has_1_to_64_characters: `ending = ''`,
  call_endings_status_is_100_to_999: 'status = 99',
  entries_amount_is_not_zero: 'amount = 0',
  entries_grant_number_missing_only_for_overdraft: 'grant_number = null',
  entries_line_is_positive: 'line = 0',
  entry_sums_entries_is_positive: 'entries = 0',
  grants_amount_is_positive: 'amount = 0, remaining = 0, reserved = 0, live = false',
  grants_applies_to_is_not_empty: `applies_to = '{}'`,
  grants_reserved_within_remaining_within_amount: 'reserved = remaining + 1',
  grants_expires_at_is_after_effective_at: 'expires_at = effective_at',
  grants_live_while_something_remains: 'live = false',
  grants_ended_at_stands_with_ended_by: `ended_by = 'void'`,
  grants_remaining_is_reserved_once_ended: `ended_at = now(), ended_by = 'void'`,
  grants_reserved_only_once_started: 'started = false',
  grants_number_is_positive: 'number = 0',
  grants_priority_is_0_to_100: 'priority = 101',
  holds_amount_is_not_negative: 'amount = -1',
  holds_amounts_are_positive: `amounts = '{0}'`,
  holds_grants_match_amounts: `grants = '{1,2}'`,
  holds_number_is_positive: 'number = 0',
  operations_actor_id_matches_actor: `actor = 'operator_key'`,
  idempotent_calls_answer_is_whole_and_used: 'body = null',
  idempotent_calls_charge_only_once_used:
    'is_used = false, status = null, headers = null, body = null',
  idempotent_calls_fingerprint_has_16_bytes: `fingerprint = '\\x00'`,
  idempotent_calls_idempotency_digest_has_16_bytes: `idempotency_digest = '\\x00'`,
  idempotent_calls_payment_digest_has_16_bytes: `payment_digest = '\\x00'`,
  idempotent_calls_status_is_200_to_599: 'status = 199',
  idempotent_requests_fingerprint_has_16_bytes: `fingerprint = '\\x00'`,
  idempotent_requests_idempotency_digest_has_16_bytes: `idempotency_digest = '\\x00'`,
  idempotent_requests_secret_salt_only_with_secret_sha256: 'secret_sha256 = null',
  idempotent_requests_secret_salt_has_32_bytes: `secret_salt = '\\x00'`,
  idempotent_requests_secret_sha256_has_32_bytes: `secret_sha256 = '\\x00'`,
  idempotent_requests_status_is_200_to_299: 'status = 409',
  operations_call_has_at_most_4096_bytes: `call = to_json(repeat('x', 4096))`,
  operations_amount_matches_kind: 'amount = -1',
  operations_fingerprint_stands_with_idempotency_digest: 'fingerprint = null',
  operations_idempotency_digest_matches_kind: 'idempotency_digest = null, fingerprint = null',
  operations_subject_matches_kind: 'subject = 1',
  operations_subject_is_earlier: `kind = 'capture', subject = number`,
  operations_remaining_after_matches_kind: 'remaining_after = 1',
  operations_expires_at_matches_kind: `kind = 'hold'`,
  operations_call_matches_kind: `kind = 'grant', call = '{}'`,
  operations_description_has_at_most_255_characters: `description = repeat('x', 256)`,
  operations_fingerprint_has_16_bytes: `fingerprint = '\\x00'`,
  operations_idempotency_digest_has_16_bytes: `idempotency_digest = '\\x00'`,
  operations_metadata_has_at_most_2048_bytes: `metadata = to_json(repeat('x', 2048))`,
  operations_number_is_positive: 'number = 0',
  operations_scope_has_1_to_64_characters: `scope = ''`,
  operator_keys_name_has_1_to_255_characters: `name = ''`,
  operator_keys_sha256_has_32_bytes: `sha256 = '\\x00'`,
  price_books_sha256_has_32_bytes: `sha256 = '\\x00'`,
  price_books_version_is_positive: 'version = 0',
  rollups_number_is_not_negative: 'number = -1',
  spend_limits_amount_is_not_negative: 'amount = -1',
  spend_limits_used_is_not_negative: 'used = -1',
  usage_days_sums_are_not_negative: 'charges = -1',
};

/** A CHECK that cannot be broken alone, and the stricter one that PostgreSQL evaluates first. */
const STRICTER: Readonly<Record<string, string>> = {
  balances_held_is_not_negative: 'balances_held_includes_overdraft_reserved',
};

beforeAll(async () => {
  client = new pg.Client(db.config);
  await client.connect();
  for (const text of SOUND) await client.query(text);
});

afterEach(() => client.query('rollback'));

afterAll(() => client.end());

describe('every CHECK of the schema', () => {
  test('has a row here that breaks it', async () => {
    const { rows } = await client.query<{ conname: string }>(
      `select conname from pg_constraint
       where contype = 'c' and connamespace = 'public'::regnamespace order by conname`,
    );
    expect(rows.map(({ conname }) => conname)).toEqual(Object.keys(BROKEN).toSorted());
  });

  test.each(Object.entries(BROKEN))('%s, and no other, refuses %s', async (name, change) => {
    const { rows } = await client.query<{ conrelid: string }>(
      'select conrelid::regclass::text as conrelid from pg_constraint where conname = $1',
      [name],
    );
    const table = rows[0]?.conrelid;
    const update = `update ${table} set ${change}`;
    await client.query('begin');
    const stricter = STRICTER[name];
    if (stricter) await client.query(`alter table ${table} drop constraint ${stricter}`);
    await client.query('savepoint sound');
    await expect(client.query(update)).rejects.toMatchObject({ code: '23514', constraint: name });
    await client.query('rollback to savepoint sound');
    await client.query(`alter table ${table} drop constraint ${name}`);
    await expect(client.query(update)).resolves.toMatchObject({ rowCount: 1 });
  });
});
