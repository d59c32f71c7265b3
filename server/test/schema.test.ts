import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { DEBIAN_POSTGRESQL_15, TEMPLATE } from './clusters.ts';

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
  await expect(`${schema}\n`).toMatchFileSnapshot('../schema.sql');
});
