import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import {
  apiCommand,
  askForOne,
  askForPage,
  command,
  type JsonOption,
  listCommand,
  type PageOptions,
  parseWhole,
} from './command.ts';
import type { Context } from './context.ts';
import { showResource } from './show.ts';

interface CreateOptions extends JsonOption {
  readonly account: string;
  readonly amount: string;
  readonly category?: string;
  readonly priority?: number;
  readonly description?: string;
  readonly idempotencyKey?: string;
}

/** `purser grant create|list`. */
export function grantCommands(context: Context): Command[] {
  const grant = command(
    'grant',
    'credit that is given to accounts',
    'purser grant create --account 5f2c… --amount 10000 --category promotional',
  )
    .addCommand(createCommand(context))
    .addCommand(listGrantsCommand(context));
  return [grant];
}

function createCommand(context: Context): Command {
  return apiCommand(
    'create',
    'give credit to an account',
    'purser grant create --account 5f2c… --amount 10000 --category promotional',
    'purser grant create --account 5f2c… --amount 718924.5 --idempotency-key invoice-1042',
  )
    .requiredOption('--account <id>', 'the account')
    .requiredOption('--amount <cents>', 'cents, with up to six decimals')
    .option('--category <category>', 'paid or promotional (default: paid)')
    .option('--priority <n>', '0 to 100, lower burns first (default: 50)', parseWhole)
    .option('--description <text>', 'why, for the history')
    .option(
      '--idempotency-key <key>',
      'names this grant: repeated with the same key it is given once (default: a new key)',
    )
    .action(async (options: CreateOptions) => {
      const { account, amount, category, priority, description } = options;
      const request = {
        method: 'POST',
        path: `/v1/accounts/${encodeURIComponent(account)}/grants`,
        body: { amount, category, priority, description },
        idempotencyKey: options.idempotencyKey ?? randomUUID(),
      } as const;
      await askForOne(context, options, request, (resource) => {
        context.terminal.line('The credit was given.');
        showResource(context.terminal, resource);
      });
    });
}

function listGrantsCommand(context: Context): Command {
  return listCommand(
    'list',
    "show an account's grants, newest first",
    'purser grant list --account 5f2c…',
  )
    .requiredOption('--account <id>', 'the account')
    .option('--status <status>', 'only those that are pending, active or ended')
    .action(async (options: PageOptions & { account: string; status?: string }) => {
      const path = `/v1/accounts/${encodeURIComponent(options.account)}/grants`;
      const query = { status: options.status };
      await askForPage(context, options, { method: 'GET', path, query }, [
        'id',
        'status',
        'category',
        'priority',
        'amount',
        'remaining',
        'description',
      ]);
    });
}
