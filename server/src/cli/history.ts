import type { Command } from 'commander';
import {
  apiCommand,
  askForOne,
  askForPage,
  askForText,
  command,
  type JsonOption,
  listCommand,
  type PageOptions,
} from './command.ts';
import type { Context } from './context.ts';
import { chargeVerbs } from './money.ts';
import { showResource, showTable } from './show.ts';

interface PeriodOptions {
  readonly account: string;
  readonly from?: string;
  readonly to?: string;
}

interface FilterOptions extends PageOptions, PeriodOptions {
  readonly apiKey?: string;
  readonly kind?: string;
  readonly scope?: string;
  readonly groupBy?: string;
}

interface StatementOptions extends JsonOption, PeriodOptions {
  readonly csv?: true;
}

const JANUARY = '--from 2027-01-01T00:00:00Z --to 2027-02-01T00:00:00Z';

/** `purser entry list`, `purser charge …`, `purser statement` and `purser usage`. */
export function historyCommands(context: Context): Command[] {
  const entry = command(
    'entry',
    "the lines of an account's operations",
    'purser entry list --account 5f2c… --kind charge,reversal',
  ).addCommand(listEntriesCommand(context));
  const charge = command(
    'charge',
    'credit that was spent',
    'purser charge list --account 5f2c… --scope search',
  ).addCommand(listChargesCommand(context));
  for (const verb of chargeVerbs(context)) charge.addCommand(verb);
  return [entry, charge, statementCommand(context), usageCommand(context)];
}

function listEntriesCommand(context: Context): Command {
  const list = listCommand(
    'list',
    "show an account's entries, newest first",
    `purser entry list --account 5f2c… --kind charge,reversal ${JANUARY}`,
  )
    .option('--kind <a,b>', 'only entries of such operations, such as grant,charge,reversal')
    .option('--api-key <id>', "only what a customer's key made");
  return withPeriod(list).action(async (options: FilterOptions) => {
    const { kind, apiKey, from, to } = options;
    const query = { kind, api_key_id: apiKey, from, to };
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
    .option('--scope <scope>', 'only what was for this scope')
    .option('--api-key <id>', "only what a customer's key made");
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
    'show what an account used, by day, key, scope and route',
    `purser usage --account 5f2c… --group-by day,scope ${JANUARY}`,
  ).option('--group-by <a,b>', 'what makes a line: day, key, scope (default: all three)');
  return withPeriod(usage).action(async (options: FilterOptions) => {
    const { groupBy, from, to } = options;
    const query = { group_by: groupBy, from, to };
    const columns = ['day', 'api_key_id', 'scope', 'charges', 'charged', 'reversed', 'net'];
    await askForPage(context, options, requestOf(options, 'usage', query), columns);
  });
}

function statementCommand(context: Context): Command {
  return apiCommand(
    'statement',
    'show what an account had, what happened in a period, and what it had then',
    `purser statement --account 5f2c… ${JANUARY}`,
    `purser statement --account 5f2c… ${JANUARY} --csv > january.csv`,
  )
    .requiredOption('--account <id>', 'the account')
    .requiredOption('--from <time>', 'the first instant of the period')
    .requiredOption('--to <time>', 'the first instant after it; now at most')
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
    .requiredOption('--account <id>', 'the account')
    .option('--from <time>', 'only what happened then or later')
    .option('--to <time>', 'only what happened before');
}

function requestOf(
  { account }: PeriodOptions,
  what: string,
  query: Readonly<Record<string, string | undefined>>,
) {
  const path = `/v1/accounts/${encodeURIComponent(account)}/${what}`;
  return { method: 'GET', path, query } as const;
}
