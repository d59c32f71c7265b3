import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { DEBIAN_POSTGRESQL_15, TEMPLATE } from './clusters.ts';

const SCHEMA = fileURLToPath(new URL('../schema.sql', import.meta.url));

test('schema.sql is what the migrations add up to (update it with `npm run schema`)', async () => {
  const { host, port, user } = inject('postgres');
  const dump = execFileSync(
    join(DEBIAN_POSTGRESQL_15, 'pg_dump'),
    ['--schema-only', '--no-owner', '-h', host, '-p', String(port), '-U', user, TEMPLATE],
    { encoding: 'utf8' },
  );
  const schema = dump
    // The dump begins with pg_dump's version and a random token, which are no part of the schema.
    .replaceAll(/^(-- Dumped .*|\\(un)?restrict .*)\n/gm, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
  await expect(`${schema}\n`).toMatchFileSnapshot(SCHEMA);
});

test('every CHECK has a name that says what it promises', () => {
  const schema = readFileSync(SCHEMA, 'utf8');
  const names = [...schema.matchAll(/CONSTRAINT (\w+) CHECK/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => /_check\d*$/.test(name ?? ''))).toEqual([]);
});
