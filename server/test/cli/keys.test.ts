import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { partsOf, useCommandLine } from '../command-line.ts';
import { useDatabase } from '../postgres.ts';

const db = useDatabase();
const { purser, json } = useCommandLine(db.databaseUrl);
const folder = mkdtempSync(join(tmpdir(), 'purser-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newAccount = async (): Promise<string> =>
  (await json('account', 'create', '--kind', 'organization', '--name', 'Acme')).id;
const newHash = () => createHash('sha256').update(randomUUID()).digest('hex');
const keysOf = (account: string): Promise<{ id: string; attributes: Record<string, unknown> }[]> =>
  json('key', 'list', '--account', account);
const secretIn = (out: string) => /\bprsr_\w{49}\b/.exec(out)?.[0];

function fileOf(text: string): string {
  const file = join(folder, `${randomUUID()}.csv`);
  writeFileSync(file, text);
  return file;
}

describe('purser account create', () => {
  test('takes the id that customers know the account by', async () => {
    const id = randomBytes(32).toString('hex');
    const made = await json('account', 'create', '--kind', 'individual', '--name', 'A', '--id', id);
    expect(made.id).toBe(id);
  });

  test('makes one account however often it is run with an idempotency key', async () => {
    const create = ['account', 'create', '--kind', 'individual', '--name', randomUUID()];
    const first = await json(...create, '--idempotency-key', 'one-account');
    const again = await purser(...create, '--idempotency-key', 'one-account');
    expect(again.code).toBe(0);
    expect(again.out).toMatch(/^It was done before with this idempotency key/);
    expect(again.out).toContain(first.id);
    const rows = await db.query('select from accounts where name = $1', [first.attributes.name]);
    expect(rows).toHaveLength(1);
  });
});

test('purser account update changes the name and the overdraft limit, each by itself', async () => {
  const account = await newAccount();
  await json('account', 'update', account, '--overdraft-limit', '12.50');
  const { attributes } = await json('account', 'update', account, '--name', 'Acme Ltd.');
  expect(attributes).toMatchObject({ name: 'Acme Ltd.', overdraft_limit: '12.5' });
  const nothing = await purser('account', 'update', account);
  expect([nothing.code, partsOf(nothing).what]).toEqual([
    2,
    'Give at least one of --name and --overdraft-limit.',
  ]);
});

describe('purser key create and rotate', () => {
  test('show the same secret again under the same idempotency key', async () => {
    const account = await newAccount();
    const create = ['key', 'create', '--account', account, '--idempotency-key', randomUUID()];
    const first = await purser(...create);
    expect(first.out).toMatch(/^The key was made\./);
    const again = await purser(...create);
    expect(again.out).toMatch(/^It was done before with this idempotency key/);
    expect(secretIn(again.out)).toBe(secretIn(first.out));
    const [key] = await keysOf(account);
    const rotate = ['key', 'rotate', key?.id ?? '', '--idempotency-key', randomUUID()];
    const rotated = await purser(...rotate, '--grace', '1d');
    expect(rotated.out).toMatch(/^The key has a new secret\./);
    expect(secretIn((await purser(...rotate, '--grace-s', '86400')).out)).toBe(
      secretIn(rotated.out),
    );
    expect(secretIn(rotated.out)).not.toBe(secretIn(first.out));
    expect(await keysOf(account)).toHaveLength(1);
  });

  test('make another one each time without an idempotency key', async () => {
    const account = await newAccount();
    await purser('key', 'create', '--account', account);
    await purser('key', 'create', '--account', account);
    expect(await keysOf(account)).toHaveLength(2);
  });

  test('accept a day as the expiry', async () => {
    const account = await newAccount();
    const made = await json('key', 'create', '--account', account, '--expires-at', '2040-01-31');
    expect(made.attributes.expires_at).toBe('2040-01-31T00:00:00.000Z');
  });
});

describe('purser key import, run again', () => {
  test('says that nothing was changed, and how to make the change', async () => {
    const account = await newAccount();
    const args = ['key', 'import', '--account', account, '--sha256', newHash()];
    expect((await purser(...args)).out).toMatch(/^The key was imported\./);
    const same = await purser(...args);
    expect(same.out).toMatch(/^The account has this key already: nothing was changed\./);
    expect(same.out).not.toContain('To change it');
    const other = await purser(
      ...args,
      '--scopes',
      'balance:read,search',
      '--expires-at',
      '2040-01-31',
    );
    const [key] = await keysOf(account);
    expect(key?.attributes).toMatchObject({ scopes: ['balance:read'], expires_at: null });
    const command = `key update ${key?.id} --scopes balance:read,search --expires-at 2040-01-31T00:00:00Z`;
    expect(other.out).toContain(`To change it: purser ${command}\n`);
    expect((await purser(...command.split(' '))).code).toBe(0);
    expect((await purser(...args, '--scopes', 'search,balance:read')).out).not.toContain(
      'To change',
    );
  });

  test('counts the keys of a file that exist already, and those that differ', async () => {
    const account = await newAccount();
    const [one, two] = [newHash(), newHash()];
    const args = ['key', 'import', '--account', account, '--file'];
    const first = await purser(...args, fileOf(`${one}\n${two},named,search,2040-01-31\n`));
    expect(first.out).toBe('2 imported, 0 already there, 0 refused\n');
    const [, key] = (await keysOf(account)).toSorted((a) => (a.attributes['name'] ? 1 : -1));
    expect(key?.attributes).toMatchObject({
      name: 'named',
      scopes: ['search'],
      expires_at: '2040-01-31T00:00:00.000Z',
    });
    const again = await purser(
      ...args,
      fileOf(`${one},,search balance:read\n${two},named,search,2040-01-31\nnonsense\n`),
    );
    expect([again.code, again.errors]).toEqual([
      1,
      expect.stringMatching(/^line 3: sha256 must be/),
    ]);
    expect(again.out).toBe(
      [
        '0 imported, 2 already there, 1 refused',
        'Already there with another name, scopes or expiry than you gave: 1. Nothing of them was changed.',
        'To change one: purser key update key_… --scopes a,b',
        `To change all: purser key update --account ${account} --scopes a,b`,
        '',
      ].join('\n'),
    );
  });
});

describe('purser key update', () => {
  test('changes one key by its id, and leaves the members that it does not name', async () => {
    const account = await newAccount();
    const { id } = await json('key', 'create', '--account', account, '--name', 'a');
    const changed = await json('key', 'update', id, '--scopes', '', '--expires-at', '2040-01-31');
    expect(changed.attributes).toMatchObject({
      name: 'a',
      scopes: [],
      expires_at: '2040-01-31T00:00:00.000Z',
    });
    const forever = await json('key', 'update', id, '--name', 'b', '--expires-at', 'never');
    expect(forever.attributes).toMatchObject({ name: 'b', scopes: [], expires_at: null });
  });

  test('changes all keys of an account but the revoked ones, and no other account’s', async () => {
    const [account, other] = [await newAccount(), await newAccount()];
    for (let made = 0; made < 3; made += 1) await json('key', 'create', '--account', account);
    await json('key', 'create', '--account', other);
    const [revoked] = await keysOf(account);
    await purser('key', 'revoke', revoked?.id ?? '');
    const update = ['key', 'update', '--account', account, '--scopes', 'balance:read,search'];
    expect(await purser(...update)).toEqual({
      code: 0,
      out: '2 changed, 1 revoked and left as they were\n',
      errors: '',
    });
    const scopesOf = async (id: string) =>
      (await keysOf(id)).map(({ attributes }) => String(attributes['scopes']));
    expect(await scopesOf(account)).toEqual([
      'balance:read',
      'balance:read,search',
      'balance:read,search',
    ]);
    expect(await scopesOf(other)).toEqual(['balance:read']);
    const asJson = await purser(...update, '--json');
    expect(
      asJson.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).data.type),
    ).toEqual(['api_key', 'api_key']);
  });

  test('changes more keys than a page of the list holds', async () => {
    const account = await newAccount();
    const hashes = Array.from({ length: 505 }, newHash);
    await purser('key', 'import', '--account', account, '--file', fileOf(hashes.join('\n')));
    const { out } = await purser('key', 'update', '--account', account, '--scopes', 'search');
    expect(out).toBe('505 changed, 0 revoked and left as they were\n');
    const rows = await db.query(
      `select from api_keys k join accounts a on a.id = k.account_id
       where a.public_id = $1 and k.scopes = '{search}'`,
      [account],
    );
    expect(rows).toHaveLength(505);
  });

  test('is refused for an unknown account, and for a scope of operators', async () => {
    const unknown = await purser('key', 'update', '--account', 'acme', '--scopes', 'search');
    expect([unknown.code, partsOf(unknown).what]).toEqual([1, 'There is no such account.']);
    const account = await newAccount();
    await json('key', 'create', '--account', account);
    const reserved = await purser('key', 'update', '--account', account, '--scopes', 'authorize');
    expect([reserved.code, partsOf(reserved).what]).toEqual([
      2,
      '--scopes: authorize is for operator keys only.',
    ]);
  });
});

test('times and durations are understood wherever an option takes one', async () => {
  const account = await newAccount();
  const of = ['--account', account];
  const grant = await json(
    'grant',
    'create',
    ...of,
    '--amount',
    '10',
    '--expires-at',
    '2040-01-31',
  );
  expect(grant.attributes.expires_at).toBe('2040-01-31T00:00:00.000Z');
  const later = await json('grant', 'extend', grant.id, '--expires-at', '2041-01-31');
  expect(later.attributes.expires_at).toBe('2041-01-31T00:00:00.000Z');
  const coming = ['--amount', '5', '--effective-at', '2040-01-01', '--expires-at', '2040-01-31'];
  const pending = await json('grant', 'create', ...of, ...coming);
  expect(pending.attributes).toMatchObject({
    status: 'pending',
    effective_at: '2040-01-01T00:00:00.000Z',
  });
  const hold = await json('hold', 'create', ...of, '--amount', '1', '--expires-in', '1h');
  const { created_at: from, expires_at: to } = hold.attributes;
  expect(Date.parse(to) - Date.parse(from)).toBe(3_600_000);
  const plain = await json('hold', 'create', ...of, '--amount', '1', '--expires-in', '60');
  expect(Date.parse(plain.attributes.expires_at) - Date.parse(plain.attributes.created_at)).toBe(
    60_000,
  );

  const past = ['--from', '2026-01-01', '--to', '2026-02-01'];
  const statement = await json('statement', ...of, ...past);
  expect(statement.attributes).toMatchObject({
    from: '2026-01-01T00:00:00.000Z',
    to: '2026-02-01T00:00:00.000Z',
  });
  for (const list of [['entry', 'list'], ['charge', 'list'], ['usage']]) {
    expect(await json(...list, ...of, ...past)).toEqual([]);
  }
  const balance = await json('balance', ...of, '--at', '2026-01-31');
  expect(balance.attributes.at).toBe('2026-01-31T00:00:00.000Z');
  const operatorKey = await json('operator-key', 'create', '--expires-at', '2040-01-31');
  expect(operatorKey.attributes.expires_at).toBe('2040-01-31T00:00:00.000Z');
});
