import type { Command } from 'commander';
import { pathOf } from '../command/api.ts';
import {
  apiCommand,
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
  ACCOUNT_KINDS,
  oneOf,
  parseCents,
  parseId,
  parseTime,
} from '../command/options.ts';
import { showResource } from '../command/show.ts';

interface CreateOptions extends IdempotencyOption {
  readonly kind: string;
  readonly name: string;
  readonly externalId?: string;
  readonly id?: string;
}

interface UpdateOptions extends JsonOption {
  readonly name?: string;
  readonly overdraftLimit?: string;
}

/** `purser account create|list|show|update|suspend|resume` and `purser balance`. */
export function accountCommands(context: Context): Command[] {
  const account = command(
    'account',
    'the organizations and individuals whose credit is spent',
    'purser account create --kind organization --name "Acme Inc."',
  )
    .addCommand(createCommand(context))
    .addCommand(listAccountsCommand(context))
    .addCommand(showCommand(context))
    .addCommand(updateCommand(context))
    .addCommand(statusCommand(context, 'suspend', 'suspended'))
    .addCommand(statusCommand(context, 'resume', 'active'));
  return [account, balanceCommand(context)];
}

function createCommand(context: Context): Command {
  return idempotentCommand(
    'create',
    'make an account',
    'purser account create --kind organization --name "Acme Inc." --external-id cus_42',
    'purser account create --kind individual --name Ada --id e48a0acc…',
  )
    .addOption(
      oneOf(
        '--kind <kind>',
        'a pool that several people share, or one person',
        ACCOUNT_KINDS,
      ).makeOptionMandatory(),
    )
    .requiredOption('--name <name>', 'the name, for people')
    .option('--external-id <id>', 'your own identifier of it; unique', parseId)
    .option('--id <id>', 'its id, if its customers know one: 64 hex characters', parseId)
    .action(async (options: CreateOptions) => {
      const { kind, name, externalId, id } = options;
      const request = { path: '/v1/accounts', body: { kind, name, external_id: externalId, id } };
      await askOnce(context, options, request, 'The account was made.', (resource) =>
        showResource(context.terminal, resource),
      );
    });
}

function listAccountsCommand(context: Context): Command {
  return listCommand('list', 'show accounts, newest first', 'purser account list --limit 10')
    .option('--external-id <id>', 'only the account with this identifier of yours', parseId)
    .action(async (options: PageOptions & { externalId?: string }) => {
      const query = { external_id: options.externalId };
      await askForPage(context, options, { method: 'GET', path: '/v1/accounts', query }, [
        'id',
        'kind',
        'name',
        'status',
        'external_id',
      ]);
    });
}

function showCommand(context: Context): Command {
  return apiCommand('show', 'show one account', 'purser account show 5f2c…')
    .argument('<id>', "the account's id, 64 hex characters", parseId)
    .action(async (id: string, options: JsonOption) => {
      const request = { method: 'GET', path: pathOf('accounts', id) } as const;
      await askForOne(context, options, request, (resource) =>
        showResource(context.terminal, resource),
      );
    });
}

function updateCommand(context: Context): Command {
  return apiCommand(
    'update',
    'change the name or the overdraft limit of an account',
    'purser account update 5f2c… --name "Acme Ltd."',
    'purser account update 5f2c… --overdraft-limit 5000',
  )
    .argument('<id>', "the account's id, 64 hex characters", parseId)
    .option('--name <name>', 'the name, for people')
    .option('--overdraft-limit <cents>', 'the most that it may be below zero', parseCents)
    .action(async (id: string, options: UpdateOptions, self: Command) => {
      const { name, overdraftLimit } = options;
      if (name === undefined && overdraftLimit === undefined) {
        self.error('error: give at least one of --name and --overdraft-limit');
      }
      const body = { name, overdraft_limit: overdraftLimit };
      const request = { method: 'PATCH', path: pathOf('accounts', id), body } as const;
      await askForOne(context, options, request, (resource) => {
        context.terminal.line('The account was changed.');
        showResource(context.terminal, resource);
      });
    });
}

function statusCommand(context: Context, verb: 'suspend' | 'resume', status: string): Command {
  const description =
    verb === 'suspend'
      ? "refuse an account's charges and its keys' requests from now on"
      : 'let a suspended account go on';
  return apiCommand(verb, description, `purser account ${verb} 5f2c…`)
    .argument('<id>', "the account's id, 64 hex characters", parseId)
    .action(async (id: string, options: JsonOption) => {
      const request = { method: 'PATCH', path: pathOf('accounts', id), body: { status } } as const;
      await askForOne(context, options, request, () =>
        context.terminal.line(`The account is ${status}.`),
      );
    });
}

function balanceCommand(context: Context): Command {
  return apiCommand(
    'balance',
    'show the credit that an account has left, or had at an instant',
    'purser balance --account 5f2c…',
    'purser balance --account 5f2c… --at 2026-01-31',
  )
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .option('--at <time>', 'the posted balance at that time, instead of now', parseTime)
    .action(async (options: JsonOption & { account: string; at?: string }) => {
      const path = pathOf('accounts', options.account, 'balance');
      const request = { method: 'GET', path, query: { at: options.at } } as const;
      await askForOne(context, options, request, (resource) =>
        showResource(context.terminal, resource),
      );
    });
}
