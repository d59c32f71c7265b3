import { createHash, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Injectable } from '../../src/cli/command/api.ts';
import { ERRORS, type ErrorCode } from '../../src/http/errors/codes.ts';
import { partsOf, type Ran, runCommand, useCommandLine } from '../command-line.ts';
import { useDatabase } from '../postgres.ts';

/** Each refusal names a solution in the words of the command line. */

const db = useDatabase();
const { purser, json } = useCommandLine(db.databaseUrl);

let account: string;
let key: string;
let charge: string;
let hold: string;
const tried = new Set<string>();

beforeAll(async () => {
  account = await newAccount();
  await json('grant', 'create', '--account', account, '--amount', '10');
  key = (await json('key', 'create', '--account', account)).id;
  charge = (await json('charge', 'create', '--account', account, '--amount', '1')).id;
  hold = (await json('hold', 'create', '--account', account, '--amount', '1', '--expires-in', '1h'))
    .id;
  await json('hold', 'void', hold);
});

async function newAccount(...options: string[]): Promise<string> {
  return (await json('account', 'create', '--kind', 'individual', '--name', 'Ada', ...options)).id;
}

/** The code in the details of an error. */
function codeOf(ran: Ran): string {
  return /answered \d{3} \((\w+)\)\.$/.exec(partsOf(ran).details)?.[1] ?? '';
}

async function expectRefusal(args: string[], code: ErrorCode, what: string, solution: string) {
  const ran = await purser(...args);
  expect([codeOf(ran), ran.code, ran.out]).toEqual([code, code === 'invalid_request' ? 2 : 1, '']);
  expect(partsOf(ran)).toMatchObject({
    what: expect.stringContaining(what),
    solution: expect.stringContaining(solution),
  });
  tried.add(code);
}

const lines = (): [ErrorCode, string, string, string][] => [
  ['account_not_found', 'account show acme', 'no such account', '`purser account list`'],
  ['api_key_not_found', 'key revoke key_1', 'no such API key', '`purser key list --account <id>`'],
  ['grant_not_found', 'grant void grt_1', 'no such grant', '`purser grant list --account <id>`'],
  ['hold_not_found', 'hold show hld_1', 'no such hold', '`purser hold create`'],
  ['charge_not_found', 'charge show chg_1', 'no such charge', '`purser charge list --account'],
  ['operator_key_not_found', 'operator-key revoke opk_1', 'no such', '`purser operator-key list`'],
  [
    'spend_limit_not_found',
    `limit show --account ${account} --period day`,
    'No spend limit is set',
    '`purser limit set`',
  ],
  ['not_found', 'account show ..', 'nothing at this path', 'Compare the id'],
  ['url_too_long', `account show ${'x'.repeat(3_000)}`, 'too long', '64 characters'],
  [
    'body_too_large',
    `charge create --account ${account} --amount 1 --description ${'x'.repeat(70_000)}`,
    '64 KiB',
    'at most 255 characters',
  ],
  [
    'amount_too_large',
    `grant create --account ${account} --amount 9999999999999`,
    '--amount must be at most 9223372036854.775807 cents.',
    'a smaller amount',
  ],
  [
    'insufficient_credits',
    `charge create --account ${account} --amount 100`,
    'Insufficient credits.',
    `\`purser grant create --account ${account} --amount 91\``,
  ],
  [
    'reversal_exceeds_charge',
    `charge reverse ${charge} --reason bad --amount 2`,
    '--amount must be at most 1, which is left of the charge.',
    'Leave --amount out',
  ],
  ['hold_ended', `hold capture ${hold} --amount 1`, 'was voided at', '`purser charge create`'],
  [
    'invalid_request',
    `grant create --account ${account} --amount 0`,
    '--amount must be above 0.',
    '--help',
  ],
];

test('each refusal that a command can meet by itself names its cure', async () => {
  for (const [code, line, what, solution] of lines()) {
    await expectRefusal(line.split(' '), code, what, solution);
  }
});

test('a refusal with an outside cause names its cure', async () => {
  const of = ['--account', account];
  await expectRefusal(
    ['account', 'create', '--kind', 'individual', '--name', 'A', '--id', account],
    'account_id_taken',
    account,
    '--id',
  );
  const named = await newAccount('--external-id', 'ada');
  await expectRefusal(
    ['account', 'create', '--kind', 'individual', '--name', 'A', '--external-id', 'ada'],
    'external_id_taken',
    'has this --external-id.',
    `\`purser account show ${named}\``,
  );
  await purser('account', 'suspend', named);
  await expectRefusal(
    ['charge', 'create', '--account', named, '--amount', '1'],
    'account_suspended',
    'Account is suspended',
    `\`purser account resume ${named}\``,
  );

  const sha256 = createHash('sha256').update(randomUUID()).digest('hex');
  await json('key', 'import', ...of, '--sha256', sha256);
  await expectRefusal(
    ['key', 'import', '--account', named, '--sha256', sha256],
    'api_key_taken',
    'in use elsewhere',
    '`purser key create`',
  );
  for (let made = 1; made < 5; made += 1) await json('key', 'rotate', key, '--grace', '1d');
  await expectRefusal(
    ['key', 'rotate', key, '--grace', '1d'],
    'too_many_secrets',
    'rotate with --grace 0',
    'without --grace',
  );
  await purser('key', 'revoke', key);
  await expectRefusal(['key', 'rotate', key], 'api_key_inactive', 'revoked', '`purser key create`');

  const spend = ['charge', 'create', ...of, '--amount', '1'];
  await json(...spend, '--idempotency-key', 'once');
  await expectRefusal(
    ['charge', 'create', ...of, '--amount', '2', '--idempotency-key', 'once'],
    'idempotency_key_reused',
    'This --idempotency-key was used for another request',
    'leave it out',
  );
  await json('limit', 'set', ...of, '--period', 'day', '--amount', '0');
  await expectRefusal(
    spend,
    'spend_limit_reached',
    'Spend limit',
    '`purser limit set --period day`',
  );
  await purser('limit', 'clear', ...of, '--period', 'day');

  const grant = await json('grant', 'create', ...of, '--amount', '5');
  await json('grant', 'void', grant.id);
  await expectRefusal(
    ['grant', 'void', grant.id],
    'grant_ended',
    'voided',
    '`purser grant create`',
  );

  const secret = ['key', 'create', ...of, '--idempotency-key', 'secret'];
  const { id } = await json(...secret);
  await db.query(`update idempotent_requests set at = at - interval '2 days'`);
  await expectRefusal(secret, 'secret_not_kept', id, `\`purser key rotate ${id}\``);
});

/** An API that answers every request with one error. */
function refusing(code: ErrorCode, requests: { headers: unknown }[]): Injectable {
  const { status, detail } = ERRORS[code];
  return {
    inject: async ({ headers }) => {
      requests.push({ headers });
      return { statusCode: status, headers: {}, body: JSON.stringify({ detail, code }) };
    },
  };
}

describe.each([
  'overloaded',
  'account_busy',
  'database_unavailable',
  'outcome_unknown',
  'stopping',
  'not_ready',
] as const)('%s', (code) => {
  test.each([
    'charge create --account a --amount 1',
    'key create --account a',
    'account create --kind individual --name A',
  ])('of `%s` names the idempotency key to run it again with', async (line) => {
    const requests: { headers: unknown }[] = [];
    const ran = await runCommand(line.split(' '), refusing(code, requests));
    const [{ headers }] = requests as [{ headers: Record<string, string> }];
    expect(partsOf(ran).solution).toBe(
      `Run the command again with --idempotency-key ${headers['idempotency-key']}: it is done once, however often it is run.`,
    );
    tried.add(code);
  });

  test('of a read says to run it again', async () => {
    const ran = await runCommand(['account', 'list'], refusing(code, []));
    expect(partsOf(ran).solution).toBe('Run the command again.');
  });
});

test('clock_unreliable says to set the clocks, and how to run it again', async () => {
  const line = 'charge create --account a --amount 1'.split(' ');
  const { solution } = partsOf(await runCommand(line, refusing('clock_unreliable', [])));
  expect(solution).toMatch(/by NTP\. Run the command again with --idempotency-key /);
  tried.add('clock_unreliable');
});

test('the remaining codes need no cure for the command line', async () => {
  // Codes that no command can get: they refuse network requests, customers' keys and gateway calls.
  const elsewhere: ErrorCode[] = [];
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    if (tried.has(code)) continue;
    const { solution } = partsOf(await runCommand(['account', 'list'], refusing(code, [])));
    if (/report it/.test(solution)) elsewhere.push(code);
    else
      expect([code, solution]).toEqual([code, expect.stringMatching(/`purser|--idempotency-key/)]);
  }
  expect(elsewhere).toEqual(
    expect.arrayContaining(['internal_error', 'api_key_invalid', 'rate_limited']),
  );
});

test.each([
  ['hold create --amount 1 --expires-in 2d', '--expires-in must be from 1 to 86400 seconds.'],
  ['grant create --amount 1 --priority 101', '--priority must be a whole number from 0 to 100.'],
  [
    'grant create --amount 1 --expires-at 2020-01-01',
    '--expires-at must be in the future, and after --effective-at.',
  ],
  ['key create --expires-at 2020-01-01', '--expires-at must be in the future.'],
  ['key create --scopes ledger:write', '--scopes: ledger:write is for operator keys only.'],
  [
    'adjustment create --amount 1 --reason a',
    '--category is required: must be one of paid, promotional.',
  ],
  ['charge list --limit 501', '--limit must be a whole number from 1 to 500.'],
  [
    'charge list --cursor abc',
    '--cursor is not one of ours: take it from the page before, or leave it out.',
  ],
  ['charge list --from 2026-02-01 --to 2026-01-01', '--from must not be after --to.'],
  [
    'entry list --api-key chg_1',
    '--api-key must be the id of an API key, such as "key_" and 26 characters.',
  ],
])('`%s` ends with 2 and names the option as it was typed', async (line, what) => {
  const ran = await purser(...line.split(' '), '--account', account);
  expect([ran.code, partsOf(ran).what]).toEqual([2, what]);
});

test('with --json a refusal is the API’s own body, with the same exit code', async () => {
  const missing = await purser('account', 'show', 'acme', '--json');
  expect([missing.code, missing.errors]).toEqual([1, '']);
  expect(JSON.parse(missing.out)).toEqual({
    detail: 'There is no such account',
    code: 'account_not_found',
  });
  const wrong = await purser('grant', 'create', '--account', account, '--amount', '0', '--json');
  expect([wrong.code, JSON.parse(wrong.out).detail]).toEqual([2, 'amount must be above 0']);
});
