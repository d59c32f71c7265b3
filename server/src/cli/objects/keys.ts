import type { Command } from 'commander';
import { pathOf } from '../command/api.ts';
import {
  apiCommand,
  askForNothing,
  askForOne,
  askForPage,
  askOnce,
  command,
  type IdempotencyOption,
  idempotentCommand,
  type JsonOption,
  listCommand,
  type PageOptions,
} from '../command/command.ts';
import type { Context } from '../command/context.ts';
import {
  ACCOUNT_ID,
  parseDuration,
  parseId,
  parseOperatorScopes,
  parseScopes,
  parseTime,
} from '../command/options.ts';
import { showNewKey } from '../command/show.ts';
import { importCommand } from './key-import.ts';
import { updateCommand } from './key-update.ts';

interface CreateOptions extends IdempotencyOption {
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
    'purser key list --account 5f2c…',
  )
    .addCommand(createKeyCommand(context))
    .addCommand(importCommand(context))
    .addCommand(listKeysCommand(context))
    .addCommand(updateCommand(context))
    .addCommand(rotateCommand(context))
    .addCommand(revokeCommand(context, 'purser key', 'api_keys', 'key_…'));
  const operatorKey = command(
    'operator-key',
    "the operator's own keys, for your backend",
    'purser operator-key create --name billing-worker --scopes ledger:write,ledger:read',
  )
    .addCommand(createOperatorKeyCommand(context))
    .addCommand(listOperatorKeysCommand(context))
    .addCommand(revokeCommand(context, 'purser operator-key', 'operator_keys', 'opk_…'));
  return [key, operatorKey];
}

/** Warns that the idempotency key protects the secret: the database has all else to derive it (adr/0009). */
const SECRET_HELP = `
With --idempotency-key the same command shows the same secret again, for 24 hours. Use a key that
nobody can guess, such as a UUID.`;

function createKeyCommand(context: Context): Command {
  return idempotentCommand(
    'create',
    'make a key of an account; its secret is shown this once',
    'purser key create --account 5f2c… --name production --scopes balance:read,search',
    'purser key create --account 5f2c… --expires-at 2027-01-31 --idempotency-key "$(uuidgen)"',
  )
    .addHelpText('after', SECRET_HELP)
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .option('--scopes <a,b>', 'the scopes of the key (default: balance:read)', parseScopes)
    .option('--name <name>', 'the purpose of the key')
    .option('--expires-at <time>', 'the time at which it ends (default: never)', parseTime)
    .action((options: CreateOptions & { account: string }) => {
      const request = {
        path: pathOf('accounts', options.account, 'api_keys'),
        body: bodyOf(options),
      };
      return askOnce(context, options, request, 'The key was made.', (resource) =>
        showNewKey(context.terminal, resource),
      );
    });
}

function createOperatorKeyCommand(context: Context): Command {
  return apiCommand(
    'create',
    'make an operator key; its secret is shown this once',
    'purser operator-key create --name billing-worker --scopes ledger:write,ledger:read',
    'purser operator-key create --name migration --expires-at 2027-01-31',
  )
    .option(
      '--scopes <a,b>',
      'the scopes of the key: accounts:write, keys:write, ledger:write, ledger:read, authorize (default: everything)',
      parseOperatorScopes,
    )
    .option('--name <name>', 'the purpose of the key')
    .option('--expires-at <time>', 'the time at which it ends (default: never)', parseTime)
    .action((options: CreateOptions) => {
      const request = { method: 'POST', path: '/v1/operator_keys', body: bodyOf(options) } as const;
      return askForOne(context, options, request, (resource) => {
        context.terminal.line('The key was made.');
        showNewKey(context.terminal, resource);
      });
    });
}

function bodyOf({ name, scopes, expiresAt }: CreateOptions) {
  return { name, scopes, expires_at: expiresAt };
}

function listKeysCommand(context: Context): Command {
  return listCommand(
    'list',
    "show an account's keys, newest first",
    'purser key list --account 5f2c…',
  )
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .action((options: PageOptions & { account: string }) => {
      const path = pathOf('accounts', options.account, 'api_keys');
      return askForPage(context, options, { method: 'GET', path }, KEY_COLUMNS);
    });
}

function listOperatorKeysCommand(context: Context): Command {
  return listCommand('list', 'show operator keys, newest first', 'purser operator-key list').action(
    (options: PageOptions) =>
      askForPage(context, options, { method: 'GET', path: '/v1/operator_keys' }, KEY_COLUMNS),
  );
}

function rotateCommand(context: Context): Command {
  return idempotentCommand(
    'rotate',
    'give a key a new secret; it is shown this once',
    'purser key rotate key_… --grace 1d',
    'purser key rotate key_…',
  )
    .addHelpText('after', SECRET_HELP)
    .argument('<id>', 'the key, by its id', parseId)
    .option(
      '--grace-s, --grace <duration>',
      'the time for which the old secret stays valid, at most 7d (default: it ends at once)',
      parseDuration,
    )
    .action((id: string, options: IdempotencyOption & { grace?: number }) => {
      const request = { path: pathOf('api_keys', id, 'rotate'), body: { grace_s: options.grace } };
      return askOnce(context, options, request, 'The key has a new secret.', (resource) =>
        showNewKey(context.terminal, resource),
      );
    });
}

function revokeCommand(context: Context, object: string, things: string, id: string): Command {
  return apiCommand('revoke', 'end a key at once and for ever', `${object} revoke ${id}`)
    .argument('<id>', 'the key, by its id', parseId)
    .action((keyId: string, options: JsonOption) => {
      const request = { method: 'DELETE', path: pathOf(things, keyId) } as const;
      return askForNothing(context, options, request, 'The key was revoked.');
    });
}
