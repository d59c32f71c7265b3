import type { Command } from 'commander';
import {
  apiCommand,
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
import { moneyCommand, move, pathOf } from './money.ts';
import { showResource } from './show.ts';

interface CreateOptions extends JsonOption {
  readonly account: string;
  readonly amount: string;
  readonly category?: string;
  readonly priority?: number;
  readonly effectiveAt?: string;
  readonly expiresAt?: string;
  readonly appliesTo?: string[];
  readonly description?: string;
  readonly idempotencyKey?: string;
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
  return moneyCommand(
    'create',
    'give credit to an account',
    'purser grant create --account 5f2c… --amount 10000 --category promotional',
    'purser grant create --account 5f2c… --amount 500 --expires-at 2030-01-31T00:00:00Z',
    'purser grant create --account 5f2c… --amount 718924.5 --idempotency-key invoice-1042',
  )
    .requiredOption('--account <id>', 'the account')
    .requiredOption('--amount <cents>', 'cents, with up to six decimals')
    .option('--category <category>', 'paid or promotional (default: paid)')
    .option('--priority <n>', '0 to 100, lower burns first (default: 50)', parseWhole)
    .option('--effective-at <time>', 'from when on it can be spent (default: at once)')
    .option('--expires-at <time>', 'from when on it cannot be spent any more (default: never)')
    .option('--applies-to <a,b>', 'the scopes that it pays for (default: everything)', parseList)
    .option('--description <text>', 'why, for the history')
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
  return moneyCommand('void', 'take back what is left of a grant', 'purser grant void grt_…')
    .argument('<id>', 'the grant')
    .option('--reason <text>', 'why, for the history')
    .action((id: string, options: JsonOption & { reason?: string }) => {
      const request = { path: pathOf('grants', id, 'void'), body: { reason: options.reason } };
      return move(context, options, request, 'What was left of the grant was taken back.');
    });
}

function extendCommand(context: Context): Command {
  return apiCommand(
    'extend',
    'let a grant expire later, or never',
    'purser grant extend grt_… --expires-at 2031-01-31T00:00:00Z',
    'purser grant extend grt_… --expires-at never',
  )
    .argument('<id>', 'the grant')
    .requiredOption('--expires-at <time>', 'the new expiry, or never')
    .action((id: string, options: JsonOption & { expiresAt: string }) => {
      const expiresAt = options.expiresAt === 'never' ? null : options.expiresAt;
      const request = {
        method: 'PATCH',
        path: pathOf('grants', id),
        body: { expires_at: expiresAt },
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
