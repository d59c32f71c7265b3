import type { Command } from 'commander';
import {
  apiCommand,
  askForOne,
  askForPage,
  command,
  type JsonOption,
  listCommand,
  type PageOptions,
} from './command.ts';
import type { Context } from './context.ts';
import { showResource } from './show.ts';

interface CreateOptions extends JsonOption {
  readonly kind: string;
  readonly name: string;
  readonly externalId?: string;
}

/** `purser account create|list|show|suspend|resume` and `purser balance`. */
export function accountCommands(context: Context): Command[] {
  const account = command(
    'account',
    'the organizations and individuals whose credit is spent',
    'purser account create --kind organization --name "Acme Inc."',
  )
    .addCommand(createCommand(context))
    .addCommand(listAccountsCommand(context))
    .addCommand(showCommand(context))
    .addCommand(statusCommand(context, 'suspend', 'suspended'))
    .addCommand(statusCommand(context, 'resume', 'active'));
  return [account, balanceCommand(context)];
}

function createCommand(context: Context): Command {
  return apiCommand(
    'create',
    'make an account',
    'purser account create --kind organization --name "Acme Inc." --external-id cus_42',
  )
    .requiredOption('--kind <kind>', 'organization (a shared pool) or individual')
    .requiredOption('--name <name>', 'how people call it')
    .option('--external-id <id>', 'your own identifier of it; unique')
    .action(async ({ kind, name, externalId, json }: CreateOptions) => {
      const body = { kind, name, external_id: externalId };
      const request = { method: 'POST', path: '/v1/accounts', body } as const;
      await askForOne(context, { ...(json && { json }) }, request, (resource) => {
        context.terminal.line('The account was made.');
        showResource(context.terminal, resource);
      });
    });
}

function listAccountsCommand(context: Context): Command {
  return listCommand('list', 'show accounts, newest first', 'purser account list --limit 10')
    .option('--external-id <id>', 'only the account with your identifier')
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
    .argument('<id>', 'the 64 characters that name the account')
    .action(async (id: string, options: JsonOption) => {
      const request = { method: 'GET', path: `/v1/accounts/${encodeURIComponent(id)}` } as const;
      await askForOne(context, options, request, (resource) =>
        showResource(context.terminal, resource),
      );
    });
}

function statusCommand(context: Context, verb: 'suspend' | 'resume', status: string): Command {
  const description =
    verb === 'suspend'
      ? "refuse an account's charges and its keys' requests from now on"
      : 'let a suspended account go on';
  return apiCommand(verb, description, `purser account ${verb} 5f2c…`)
    .argument('<id>', 'the 64 characters that name the account')
    .action(async (id: string, options: JsonOption) => {
      const path = `/v1/accounts/${encodeURIComponent(id)}`;
      const request = { method: 'PATCH', path, body: { status } } as const;
      await askForOne(context, options, request, () =>
        context.terminal.line(`The account is ${status}.`),
      );
    });
}

function balanceCommand(context: Context): Command {
  return apiCommand(
    'balance',
    'show what an account has left, or had at an instant',
    'purser balance --account 5f2c…',
    'purser balance --account 5f2c… --at 2027-01-31T00:00:00Z',
  )
    .requiredOption('--account <id>', 'the account')
    .option('--at <time>', 'what was posted then, instead of now')
    .action(async (options: JsonOption & { account: string; at?: string }) => {
      const path = `/v1/accounts/${encodeURIComponent(options.account)}/balance`;
      const request = { method: 'GET', path, query: { at: options.at } } as const;
      await askForOne(context, options, request, (resource) =>
        showResource(context.terminal, resource),
      );
    });
}
