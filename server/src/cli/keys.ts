import type { Command } from 'commander';
import {
  apiCommand,
  askForNothing,
  askForOne,
  askForPage,
  command,
  type JsonOption,
  listCommand,
  type PageOptions,
  parseList,
  parseWhole,
} from './command.ts';
import type { Context } from './context.ts';
import { importCommand } from './key-import.ts';
import { showNewKey, showResource } from './show.ts';

interface CreateOptions extends JsonOption {
  readonly account?: string;
  readonly name?: string;
  readonly scopes?: string[];
  readonly expiresAt?: string;
}

const KEY_COLUMNS = ['id', 'name', 'masked', 'scopes', 'expires_at', 'revoked_at', 'last_used_at'];

/** `purser key create|list|update|rotate|revoke|import` and `purser operator-key create|list|revoke`. */
export function keyCommands(context: Context): Command[] {
  const key = command(
    'key',
    "customers' API keys",
    'purser key create --account 5f2c… --name production --scopes balance:read,search',
  )
    .addCommand(createKeyCommand(context))
    .addCommand(listKeysCommand(context))
    .addCommand(revokeCommand(context, 'purser key', '/v1/api_keys', 'key_…'))
    .addCommand(updateCommand(context))
    .addCommand(rotateCommand(context))
    .addCommand(importCommand(context));
  const operatorKey = command(
    'operator-key',
    "the operator's own keys",
    'purser operator-key create --name billing-worker --scopes ledger:write,ledger:read',
  )
    .addCommand(createOperatorKeyCommand(context))
    .addCommand(listOperatorKeysCommand(context))
    .addCommand(revokeCommand(context, 'purser operator-key', '/v1/operator_keys', 'opk_…'));
  return [key, operatorKey];
}

function createKeyCommand(context: Context): Command {
  const create = apiCommand(
    'create',
    'make a key of an account; it is shown this once',
    'purser key create --account 5f2c… --name production --scopes balance:read,search',
  )
    .requiredOption('--account <id>', 'the account')
    .option('--scopes <a,b>', 'what it may do (default: balance:read)', parseList);
  return withKeyOptions(create).action(async (options: CreateOptions) => {
    const path = `/v1/accounts/${encodeURIComponent(options.account ?? '')}/api_keys`;
    await createKey(context, path, options);
  });
}

function createOperatorKeyCommand(context: Context): Command {
  const create = apiCommand(
    'create',
    'make an operator key; it is shown this once',
    'purser operator-key create --name billing-worker --scopes ledger:write,ledger:read',
  ).option('--scopes <a,b>', 'what it may do (default: everything)', parseList);
  return withKeyOptions(create).action((options: CreateOptions) =>
    createKey(context, '/v1/operator_keys', options),
  );
}

function withKeyOptions(create: Command): Command {
  return create
    .option('--name <name>', 'what it is for')
    .option('--expires-at <time>', 'when it ends, such as 2027-01-31T00:00:00.000Z');
}

async function createKey(context: Context, path: string, options: CreateOptions): Promise<void> {
  const body = { name: options.name, scopes: options.scopes, expires_at: options.expiresAt };
  await askForOne(context, options, { method: 'POST', path, body }, (resource) => {
    context.terminal.line('The key was made.');
    showNewKey(context.terminal, resource);
  });
}

function listKeysCommand(context: Context): Command {
  return listCommand(
    'list',
    "show an account's keys, newest first",
    'purser key list --account 5f2c…',
  )
    .requiredOption('--account <id>', 'the account')
    .action(async (options: PageOptions & { account: string }) => {
      const path = `/v1/accounts/${encodeURIComponent(options.account)}/api_keys`;
      await askForPage(context, options, { method: 'GET', path }, KEY_COLUMNS);
    });
}

function listOperatorKeysCommand(context: Context): Command {
  return listCommand('list', 'show operator keys, newest first', 'purser operator-key list').action(
    (options: PageOptions) =>
      askForPage(context, options, { method: 'GET', path: '/v1/operator_keys' }, KEY_COLUMNS),
  );
}

interface UpdateOptions extends JsonOption {
  readonly name?: string;
  readonly scopes?: string[];
  readonly expiresAt?: string;
}

function updateCommand(context: Context): Command {
  return apiCommand(
    'update',
    'change the name, the scopes or the expiry of a key; what is left out stays',
    'purser key update key_… --scopes balance:read,search',
    'purser key update key_… --expires-at never',
  )
    .argument('<id>', 'the key, by its id')
    .option('--name <name>', 'what it is for')
    .option('--scopes <a,b>', 'what it may do from now on', parseList)
    .option('--expires-at <time>', 'when it ends, such as 2027-01-31T00:00:00.000Z, or never')
    .action(async (id: string, options: UpdateOptions) => {
      const { name, scopes, expiresAt } = options;
      const body = { name, scopes, expires_at: expiresAt === 'never' ? null : expiresAt };
      const path = `/v1/api_keys/${encodeURIComponent(id)}`;
      await askForOne(context, options, { method: 'PATCH', path, body }, (resource) => {
        context.terminal.line('The key was changed.');
        showResource(context.terminal, resource);
      });
    });
}

function rotateCommand(context: Context): Command {
  return apiCommand(
    'rotate',
    'give a key a new secret; it is shown this once',
    'purser key rotate key_… --grace-s 86400',
  )
    .argument('<id>', 'the key, by its id')
    .option(
      '--grace-s <n>',
      'seconds that the old secret stays valid, at most 604800 (default: 0)',
      parseWhole,
    )
    .action(async (id: string, options: JsonOption & { graceS?: number }) => {
      const path = `/v1/api_keys/${encodeURIComponent(id)}/rotate`;
      const body = { grace_s: options.graceS };
      await askForOne(context, options, { method: 'POST', path, body }, (resource) => {
        context.terminal.line('The key has a new secret.');
        showNewKey(context.terminal, resource);
      });
    });
}

function revokeCommand(context: Context, object: string, path: string, id: string): Command {
  return apiCommand('revoke', 'end a key at once and for ever', `${object} revoke ${id}`)
    .argument('<id>', 'the key, by its id')
    .action(async (keyId: string, options: JsonOption) => {
      const request = { method: 'DELETE', path: `${path}/${encodeURIComponent(keyId)}` } as const;
      await askForNothing(context, options, request, 'The key was revoked.');
    });
}
