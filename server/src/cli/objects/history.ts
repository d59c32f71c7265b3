import type { Command } from 'commander';
import { ENTRY_KINDS } from '../../ledger/operations/kinds.ts';
import {
  apiCommand,
  askForOne,
  askForPage,
  askForText,
  command,
  type JsonOption,
  listCommand,
  type PageOptions,
} from '../command/command.ts';
import type { Context } from '../command/context.ts';
import {
  ACCOUNT_ID,
  parseId,
  parseScope,
  parseTime,
  someOf,
  USAGE_GROUPS,
} from '../command/options.ts';
import { showResource, showTable } from '../command/show.ts';
import { chargeVerbs } from './operations.ts';

interface PeriodOptions {
  readonly account: string;
  readonly from?: string;
  readonly to?: string;
}

interface FilterOptions extends PageOptions, PeriodOptions {
  readonly apiKey?: string;
  readonly kind?: readonly string[];
  readonly scope?: string;
  readonly groupBy?: readonly string[];
}

interface StatementOptions extends JsonOption, PeriodOptions {
  readonly csv?: true;
}

const JANUARY = '--from 2026-01-01 --to 2026-02-01';

/** `purser entry list`, `purser statement` and `purser usage`. */
export function historyCommands(context: Context): Command[] {
  const entry = command(
    'entry',
    "every line of an account's history: credit that came or went",
    'purser entry list --account 5f2c… --kind charge,reversal',
  ).addCommand(listEntriesCommand(context));
  return [entry, statementCommand(context), usageCommand(context)];
}

/** `purser charge create|list|show|reverse`. */
export function chargeCommands(context: Context): Command[] {
  const charge = command(
    'charge',
    'credit that is spent',
    'purser charge create --account 5f2c… --amount 0.5',
    'purser charge list --account 5f2c… --scope search',
  ).addCommand(listChargesCommand(context));
  for (const verb of chargeVerbs(context)) charge.addCommand(verb);
  return [charge];
}

function listEntriesCommand(context: Context): Command {
  const list = listCommand(
    'list',
    "show an account's entries, newest first",
    `purser entry list --account 5f2c… --kind charge,reversal ${JANUARY}`,
  )
    .option(
      '--kind <a,b>',
      `only entries of such operations: ${ENTRY_KINDS.join(', ')}`,
      someOf(ENTRY_KINDS),
    )
    .option('--api-key <id>', "only charges with this customer's key", parseId);
  return withPeriod(list).action(async (options: FilterOptions) => {
    const { kind, apiKey, from, to } = options;
    const query = { kind: kind?.join(), api_key_id: apiKey, from, to };
    await askForPage(context, options, requestOf(options, 'entries', query), [
      'created_at',
      'kind',
      'operation',
      'amount',
      'book',
      'posted_after',
    ]);
  });
}

function listChargesCommand(context: Context): Command {
  const list = listCommand(
    'list',
    "show an account's charges, newest first",
    `purser charge list --account 5f2c… --scope search ${JANUARY}`,
  )
    .option('--scope <scope>', 'only charges for this product, such as search', parseScope)
    .option('--api-key <id>', "only charges with this customer's key", parseId);
  return withPeriod(list).action(async (options: FilterOptions) => {
    const { scope, apiKey, from, to } = options;
    const query = { scope, api_key_id: apiKey, from, to };
    await askForPage(context, options, requestOf(options, 'charges', query), [
      'created_at',
      'id',
      'amount',
      'reversed',
      'scope',
      'api_key_id',
    ]);
  });
}

function usageCommand(context: Context): Command {
  const usage = listCommand(
    'usage',
    'show the usage of an account, by day, key, scope and route',
    `purser usage --account 5f2c… --group-by day,scope ${JANUARY}`,
  ).option(
    '--group-by <a,b>',
    `the groups that make a line: ${USAGE_GROUPS.join(', ')} (default: all four)`,
    someOf(USAGE_GROUPS),
  );
  return withPeriod(usage).action(async (options: FilterOptions) => {
    const { groupBy, from, to } = options;
    const query = { group_by: groupBy?.join(), from, to };
    const columns = [
      'day',
      'api_key_id',
      'scope',
      'route',
      'charges',
      'charged',
      'reversed',
      'net',
    ];
    await askForPage(context, options, requestOf(options, 'usage', query), columns);
  });
}

function statementCommand(context: Context): Command {
  return apiCommand(
    'statement',
    'show the balance of an account before and after a period, and the sums between',
    `purser statement --account 5f2c… ${JANUARY}`,
    `purser statement --account 5f2c… ${JANUARY} --csv > january.csv`,
  )
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .requiredOption('--from <time>', 'the first instant of the period', parseTime)
    .requiredOption('--to <time>', 'the first instant after it; now at most', parseTime)
    .option('--csv', 'print a line an entry, as CSV')
    .action(async (options: StatementOptions) => {
      const { from, to, csv } = options;
      const request = requestOf(options, 'statement', { from, to, ...(csv && { format: 'csv' }) });
      if (csv) return askForText(context, request);
      await askForOne(context, options, request, async (resource) => {
        const { sums, ...attributes } = resource.attributes;
        showResource(context.terminal, { ...resource, attributes });
        const lines = (sums as Readonly<Record<string, unknown>>[]).map((sum) => ({
          ...resource,
          attributes: sum,
        }));
        const columns = ['kind', 'book', 'category', 'entries', 'amount'];
        await showTable(context.terminal, lines, columns);
      });
    });
}

function withPeriod(list: Command): Command {
  return list
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .option('--from <time>', 'only operations at that time or later', parseTime)
    .option('--to <time>', 'only operations before that time', parseTime);
}

function requestOf(
  { account }: PeriodOptions,
  what: string,
  query: Readonly<Record<string, string | undefined>>,
) {
  const path = `/v1/accounts/${encodeURIComponent(account)}/${what}`;
  return { method: 'GET', path, query } as const;
}
