import type { Command } from 'commander';
import { pathOf } from '../command/api.ts';
import {
  apiCommand,
  askForOne,
  askForPage,
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
  CATEGORIES,
  GRANT_STATUSES,
  oneOf,
  parseCents,
  parseId,
  parseScopes,
  parseTime,
  parseTimeOrNever,
  parseWhole,
  timeOrNull,
} from '../command/options.ts';
import { showResource } from '../command/show.ts';
import { move } from './operations.ts';

interface CreateOptions extends IdempotencyOption {
  readonly account: string;
  readonly amount: string;
  readonly category?: string;
  readonly priority?: number;
  readonly effectiveAt?: string;
  readonly expiresAt?: string;
  readonly appliesTo?: string[];
  readonly description?: string;
}

/** `purser grant create|list|void|extend`. */
export function grantCommands(context: Context): Command[] {
  const grant = command(
    'grant',
    'credit that is given to accounts',
    'purser grant create --account 5f2c… --amount 10000 --category promotional',
  )
    .addCommand(createCommand(context))
    .addCommand(listGrantsCommand(context))
    .addCommand(voidCommand(context))
    .addCommand(extendCommand(context));
  return [grant];
}

function createCommand(context: Context): Command {
  return idempotentCommand(
    'create',
    'give credit to an account',
    'purser grant create --account 5f2c… --amount 10000 --category promotional',
    'purser grant create --account 5f2c… --amount 500 --expires-at 2030-01-31',
    'purser grant create --account 5f2c… --amount 718924.5 --idempotency-key invoice-1042',
  )
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .requiredOption('--amount <cents>', 'how much', parseCents)
    .addOption(
      oneOf(
        '--category <category>',
        'credit that the customer paid for, or a gift (default: paid)',
        CATEGORIES,
      ),
    )
    .option('--priority <n>', '0 to 100, lower is spent first (default: 50)', parseWhole)
    .option(
      '--effective-at <time>',
      'the time from which on it can be spent (default: at once)',
      parseTime,
    )
    .option(
      '--expires-at <time>',
      'the time from which on it cannot be spent any more (default: never)',
      parseTime,
    )
    .option('--applies-to <a,b>', 'the scopes that it pays for (default: everything)', parseScopes)
    .option('--description <text>', 'the reason, for the history')
    .action((options: CreateOptions) => {
      const { account, amount, category, priority, description } = options;
      const times = { effective_at: options.effectiveAt, expires_at: options.expiresAt };
      const body = {
        amount,
        category,
        priority,
        ...times,
        applies_to: options.appliesTo,
        description,
      };
      const path = pathOf('accounts', account, 'grants');
      return move(context, options, { path, body }, 'The credit was given.');
    });
}

function voidCommand(context: Context): Command {
  return idempotentCommand('void', 'take back the rest of a grant', 'purser grant void grt_…')
    .argument('<id>', 'the grant', parseId)
    .option('--reason <text>', 'the reason, for the history')
    .action((id: string, options: IdempotencyOption & { reason?: string }) => {
      const request = { path: pathOf('grants', id, 'void'), body: { reason: options.reason } };
      return move(context, options, request, 'The rest of the grant was taken back.');
    });
}

function extendCommand(context: Context): Command {
  return apiCommand(
    'extend',
    'let a grant expire later, or never',
    'purser grant extend grt_… --expires-at 2031-01-31',
    'purser grant extend grt_… --expires-at never',
  )
    .argument('<id>', 'the grant', parseId)
    .requiredOption('--expires-at <time>', 'the new expiry, or never', parseTimeOrNever)
    .action((id: string, options: JsonOption & { expiresAt: string }) => {
      const request = {
        method: 'PATCH',
        path: pathOf('grants', id),
        body: { expires_at: timeOrNull(options.expiresAt) },
      } as const;
      return askForOne(context, options, request, (resource) => {
        context.terminal.line('The grant was extended.');
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
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .addOption(oneOf('--status <status>', 'only grants of this status', GRANT_STATUSES))
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
