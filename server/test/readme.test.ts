import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { useCommandLine } from './command-line.ts';
import { useDatabase } from './postgres.ts';

const db = useDatabase();
const { purser, json } = useCommandLine(db.databaseUrl);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const COMMANDS = readFileSync(join(ROOT, 'docs/cli.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'purser-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The words of a shell command, without its comment. */
function wordsOf(line: string): string[] {
  const words = line.replace(/\s+#.*$/, '').match(/"[^"]*"|\S+/g) ?? [];
  return words.map((word) => word.replaceAll('"', ''));
}

test('every command of docs/cli.md works, in its order', async () => {
  const [, block = ''] = /```sh\n([\s\S]*?)```/.exec(COMMANDS) ?? [];
  const lines = block.trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(18);
  const keys = join(folder, 'keys.csv');
  writeFileSync(keys, `sha256\n${createHash('sha256').update('theirs').digest('hex')}\n`);
  // Names on the page, with their values in this test.
  const made: Record<string, string> = {
    'keys.csv': keys,
    'prices.yaml': join(ROOT, 'examples/you-prices.yaml'),
  };
  for (const line of lines) {
    expect(line).toMatch(/^npx purser /);
    const args = wordsOf(line)
      .slice(2)
      .map((word) => made[word] ?? word);
    const ran = await purser(...args);
    expect(ran, line).toMatchObject({ code: 0, errors: '' });
    const id = /^ {2}id +(\S+)$/m.exec(ran.out)?.[1] ?? '';
    if (args[0] === 'account') made['5f2c…'] = id;
    else if (/^(key|hld|chg)_/.test(id)) made[`${id.slice(0, 4)}…`] = id;
  }
  expect(Object.values(made)).not.toContain('');
});

test('the answers that the README shows have the members of real ones', async () => {
  const examples = [...README.matchAll(/```json\n(.*)\n```/g)].map(([, text = '']) =>
    JSON.parse(text),
  );
  const charge = examples.find(({ data }) => data?.type === 'charge');
  const account = await json('account', 'create', '--kind', 'organization', '--name', 'Demo');
  await json('grant', 'create', '--account', account.id, '--amount', '200');
  const spend = ['charge', 'create', '--account', account.id, '--amount'];
  const { attributes } = await json(...spend, '120.5');
  expect(Object.keys(charge.data.attributes)).toEqual(Object.keys(attributes));
  const refused = examples.find(({ code }) => code === 'insufficient_credits');
  const answer = JSON.parse((await purser(...spend, '999999999', '--json')).out);
  expect(Object.keys(refused)).toEqual(Object.keys(answer));
});
