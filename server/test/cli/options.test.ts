import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as options from '../../src/cli/command/options.ts';
import { ENTRY_KINDS } from '../../src/ledger/operations/kinds.ts';
import { partsOf, runCommand } from '../command-line.ts';

/** A malformed value ends a command with exit code 2, before it calls the API. */

const ID = 'f'.repeat(64);
const ACCOUNT = ['--account', ID];
const words = (line: string) => line.split(' ');

test.each([
  ['grant create --amount 1,5', '--amount', 'cents, with up to six decimals, such as 0.5.'],
  ['charge create --amount 0.1234567', '--amount', 'cents, with up to six decimals, such as 0.5.'],
  ['charge create --amount -1', '--amount', 'cents, with up to six decimals, such as 0.5.'],
  ['adjustment create --reason a --amount -2,5', '--amount', 'such as 0.5 or -0.5.'],
  ['limit set --period day --amount $5', '--amount', 'cents, with up to six decimals'],
  ['limit set --amount 1 --period week', '--period', 'day, month, total.'],
  ['limit show --period week', '--period', 'day, month, total.'],
  ['limit clear --period week', '--period', 'day, month, total.'],
  ['grant create --amount 1 --category free', '--category', 'paid, promotional.'],
  ['adjustment create --amount 1 --reason a --category free', '--category', 'paid, promotional.'],
  ['grant list --status gone', '--status', 'pending, active, ended.'],
  ['entry list --kind charge,hold', '--kind', 'grant, grant_start,'],
  ['usage --group-by day,day', '--group-by', 'day, key, scope, route,'],
  ['key create --scopes Search', '--scopes', 'words such as search or balance:read'],
  ['charge list --scope a.b', '--scope', 'a word such as search or balance:read.'],
  ['balance --at yesterday', '--at', 'a day such as 2027-01-31'],
  ['charge list --from 2027-02-30', '--from', 'a day such as 2027-01-31'],
  ['entry list --to 2027-1-1', '--to', 'a day such as 2027-01-31'],
  ['grant create --amount 1 --expires-at 1h', '--expires-at', 'a day such as 2027-01-31'],
  ['grant create --amount 1 --effective-at never', '--effective-at', 'a day such as'],
  ['key create --expires-at never', '--expires-at', 'a day such as 2027-01-31'],
  ['hold create --amount 1 --expires-in 1w', '--expires-in', '30s, 15m, 1h or 1d'],
  ['hold create --amount 1 --expires-in 1.5h', '--expires-in', '30s, 15m, 1h or 1d'],
  ['grant create --amount 1 --priority low', '--priority', 'a whole number.'],
  ['charge list --limit many', '--limit', 'a whole number.'],
])('%s is refused with 2, and %s with it by name', async (line, option, cure) => {
  const ran = await runCommand([...words(line), ...ACCOUNT]);
  expect(ran).toMatchObject({ code: 2, out: '' });
  const { what, details, solution } = partsOf(ran);
  expect(what).toMatch(new RegExp(`^${option} '.+' is invalid\\.$`));
  expect(details).toContain(cure);
  expect(solution).toContain(`purser ${words(line)[0]}`);
});

test.each([
  ['account create --kind company --name A', "--kind 'company' is invalid."],
  ['account create --name A', '--kind <kind> is required.'],
  ['key rotate key_1 --grace 1y', "--grace '1y' is invalid."],
  ['key rotate key_1 --grace-s 1y', "--grace '1y' is invalid."],
  ['operator-key create --scopes search', "--scopes 'search' is invalid."],
  ['key update key_1', 'Give at least one of --scopes, --name and --expires-at.'],
  ['key update --scopes a', "Give either a key's id or --account."],
  [`key update key_1 --account ${ID} --scopes a`, "Give either a key's id or --account."],
  [`key import --account ${ID}`, 'Give either --sha256 or --file.'],
  ['limit show --period day', 'Give either --account or --key.'],
  ['grant void', "Missing required argument 'id'."],
  ['nonsense', "Unknown command 'nonsense'."],
])('%s is refused with 2: %s', async (line, what) => {
  const ran = await runCommand(words(line));
  expect(ran.code).toBe(2);
  expect(partsOf(ran).what).toBe(what);
});

/** The help of a command and of all its subcommands, with their names. */
async function helps(path: string[] = []): Promise<[string, string][]> {
  const { code, out } = await runCommand([...path, '--help']);
  expect(code).toBe(0);
  const names = [...out.matchAll(/^ {2}([a-z-]+)(?: \[options\])?(?: [<[]\w+[>\]])? {2}/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'help' && out.includes('help [command]'));
  const below = await Promise.all(names.map((name) => helps([...path, name])));
  return [[path.join(' '), out], ...below.flat()];
}

test('the help of each command has an example, and describes the values of its options', async () => {
  const all = await helps();
  expect(all.length).toBeGreaterThan(45);
  for (const [name, help] of all) {
    expect(help, name).toMatch(/Examples?:\n +(\w+=\S+ )?purser /);
    for (const [placeholder, note] of Object.entries(options.NOTES)) {
      expect(help.includes(note), name).toBe(help.includes(placeholder));
    }
    const items = help.split(/\n(?= {2}-)/).filter((item) => item.startsWith('  --'));
    const required = items.map((item) => item.includes('(required)'));
    expect(
      required.toSorted((a, b) => Number(b) - Number(a)),
      name,
    ).toEqual(required);
  }
});

test('an empty id, as from an unset shell variable, is refused by its name', async () => {
  const option = await runCommand(['balance', '--account', '']);
  expect([option.code, partsOf(option).what]).toEqual([2, "--account '' is invalid."]);
  const argument = await runCommand(['account', 'show', '']);
  expect([argument.code, partsOf(argument).what]).toEqual([2, "<id> '' is invalid."]);
});

test('a refused value is shown as it was typed, with its full stops and line ends', async () => {
  const ran = await runCommand(['balance', '--account', 'a', '--at', '1. 2\n(3)']);
  expect(ran.errors).toMatch(/^Error: --at '1\. 2\n\(3\)' is invalid\.\nDetails: It must be a day/);
});

test('the refusal of a misspelt option names the intended one', async () => {
  const ran = await runCommand(['account', 'list', '--jsno']);
  expect([ran.code, partsOf(ran).solution]).toEqual([
    2,
    'Did you mean --json? `purser account list --help` lists its arguments and options.',
  ]);
});

test.each([
  ['start --port 9000', 'PURSER_PORT', 'purser start'],
  ['start --host=0.0.0.0', 'PURSER_HOST', 'purser start'],
  ['start --data-dir /data', 'PURSER_DATA_DIR', 'purser start'],
  ['start --database-url postgres://db', 'DATABASE_URL', 'purser start'],
  ['start --gateway prices.yaml', 'PURSER_GATEWAY', 'purser start'],
  ['account list --database-url postgres://db', 'DATABASE_URL', 'purser account list'],
])('%s points to %s', async (line, variable, command) => {
  const ran = await runCommand(words(line));
  expect(ran.code).toBe(2);
  expect(partsOf(ran)).toMatchObject({
    details: expect.stringContaining('from the environment'),
    solution: `Set the environment variable ${variable}: \`${variable}=… ${command}\`.`,
  });
});

test.each([
  ['2027-01-31', '2027-01-31T00:00:00Z'],
  ['2027-01-31T12:00:00+02:00', '2027-01-31T12:00:00+02:00'],
])('a time may be %s', (text, time) => {
  expect(options.parseTime(text)).toBe(time);
  expect(options.parseTimeOrNever(text)).toBe(time);
});

test.each([
  ['45', 45],
  ['30s', 30],
  ['15m', 900],
  ['1h', 3_600],
  ['1d', 86_400],
])('a duration may be %s', (text, seconds) => {
  expect(options.parseDuration(text)).toBe(seconds);
});

test('the words of the options are those of the API', () => {
  const file = new URL('../../../openapi/openapi.json', import.meta.url);
  const { paths, components } = JSON.parse(readFileSync(file, 'utf8'));
  const { Account, Grant, Entry } = components.schemas;
  expect(Account.properties.attributes.properties.kind.enum).toEqual(options.ACCOUNT_KINDS);
  expect(Grant.properties.attributes.properties.category.enum).toEqual(options.CATEGORIES);
  expect(Grant.properties.attributes.properties.status.enum).toEqual(options.GRANT_STATUSES);
  expect(Entry.properties.attributes.properties.kind.enum).toEqual(ENTRY_KINDS);
  const limit = components.schemas.SpendLimit.properties.attributes.properties;
  expect(limit.period.enum).toEqual(options.PERIODS);
  const usage: { name: string; schema: { description: string }; description: string }[] =
    paths['/v1/accounts/{id}/usage'].get.parameters;
  const { description = '' } = usage.find(({ name }) => name === 'group_by') ?? {};
  expect([...description.matchAll(/`(\w+)`/g)].map(([, word]) => word)).toEqual(
    options.USAGE_GROUPS,
  );
});
