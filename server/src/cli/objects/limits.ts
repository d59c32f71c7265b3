import type { Command } from 'commander';
import type { ApiRequest } from '../command/api.ts';
import {
  apiCommand,
  askForNothing,
  askForOne,
  command,
  type JsonOption,
} from '../command/command.ts';
import type { Context } from '../command/context.ts';
import { oneOf, PERIODS, parseCents, parseId } from '../command/options.ts';
import { showResource } from '../command/show.ts';

interface LimitOptions extends JsonOption {
  readonly account?: string;
  readonly key?: string;
  readonly period: string;
}

/** `purser limit set|show|clear`. */
export function limitCommands(context: Context): Command[] {
  const limit = command(
    'limit',
    'limits of the spending of accounts and keys in a day, a month or in total',
    'purser limit set --account 5f2c… --period month --amount 100000',
  )
    .addCommand(setCommand(context))
    .addCommand(showCommand(context))
    .addCommand(clearCommand(context));
  return [limit];
}

function setCommand(context: Context): Command {
  return limitCommand(
    'set',
    'limit the spending, or change the amount; all spending in the period counts',
    'purser limit set --account 5f2c… --period month --amount 100000',
    'purser limit set --key key_… --period day --amount 250.5',
  )
    .requiredOption('--amount <cents>', 'the most that may be spent in the period', parseCents)
    .action(async (options: LimitOptions & { amount: string }, self: Command) => {
      const request = requestOf('PUT', options, self, { amount: options.amount });
      await askForOne(context, options, request, (resource) => {
        context.terminal.line('The spend limit was set.');
        showResource(context.terminal, resource);
      });
    });
}

function showCommand(context: Context): Command {
  return limitCommand(
    'show',
    'show a spend limit and its use',
    'purser limit show --account 5f2c… --period month',
  ).action(async (options: LimitOptions, self: Command) => {
    await askForOne(context, options, requestOf('GET', options, self), (resource) =>
      showResource(context.terminal, resource),
    );
  });
}

function clearCommand(context: Context): Command {
  return limitCommand(
    'clear',
    'remove a spend limit',
    'purser limit clear --key key_… --period day',
  ).action(async (options: LimitOptions, self: Command) => {
    const request = requestOf('DELETE', options, self);
    await askForNothing(context, options, request, 'The spend limit was removed.');
  });
}

function limitCommand(name: string, description: string, ...examples: string[]): Command {
  return apiCommand(name, description, ...examples)
    .option('--account <id>', 'the account, for a limit of all that it spends', parseId)
    .option('--key <id>', 'the key, for a limit of all that is spent with it', parseId)
    .addOption(
      oneOf(
        '--period <period>',
        'a day or a month in UTC, or all time',
        PERIODS,
      ).makeOptionMandatory(),
    );
}

function requestOf(
  method: ApiRequest['method'],
  { account, key, period }: LimitOptions,
  self: Command,
  body?: ApiRequest['body'],
): ApiRequest {
  if ((account === undefined) === (key === undefined)) {
    self.error('error: give either --account or --key');
  }
  const holder =
    account === undefined ? `api_keys/${encoded(key)}` : `accounts/${encoded(account)}`;
  const path = `/v1/${holder}/spend_limits/${encoded(period)}`;
  return { method, path, ...(body && { body }) };
}

function encoded(segment = ''): string {
  return encodeURIComponent(segment);
}
