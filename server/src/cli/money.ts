import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { ApiRequest } from './api.ts';
import { apiCommand, askForOne, command, type JsonOption, parseWhole } from './command.ts';
import type { Context } from './context.ts';
import { showResource } from './show.ts';

/** `purser hold|charge|adjustment …`: what moves money besides grants. */

interface KeyOption extends JsonOption {
  readonly idempotencyKey?: string;
}

/** A command that moves money: its request has an idempotency key. */
export function moneyCommand(name: string, description: string, ...examples: string[]): Command {
  return apiCommand(name, description, ...examples).option(
    '--idempotency-key <key>',
    'names this operation: repeated with the same key it is done once (default: a new key)',
  );
}

/** Asks the API to move money, and shows what came of it. */
export function move(
  context: Context,
  options: KeyOption,
  request: Pick<ApiRequest, 'path' | 'body'>,
  done: string,
): Promise<void> {
  const idempotencyKey = options.idempotencyKey ?? randomUUID();
  return askForOne(context, options, { method: 'POST', ...request, idempotencyKey }, (resource) => {
    context.terminal.line(done);
    showResource(context.terminal, resource);
  });
}

interface HoldOptions extends KeyOption {
  readonly account: string;
  readonly amount: string;
  readonly expiresIn: number;
  readonly scope?: string;
  readonly description?: string;
}

export function holdCommands(context: Context): Command[] {
  const create = moneyCommand(
    'create',
    'reserve credit for a call whose cost is not yet known',
    'purser hold create --account 5f2c… --amount 10 --expires-in 60',
  )
    .requiredOption('--account <id>', 'the account')
    .requiredOption('--amount <cents>', 'the most that it may cost')
    .requiredOption('--expires-in <seconds>', 'when it is given back by itself', parseWhole)
    .option('--scope <scope>', 'what it is for')
    .option('--description <text>', 'for the history')
    .action((options: HoldOptions) => {
      const { account, amount, expiresIn, scope, description } = options;
      const body = { account, amount, expires_in_s: expiresIn, scope, description };
      return move(context, options, { path: '/v1/holds', body }, 'The credit is reserved.');
    });
  const show = apiCommand('show', 'show a hold, and what became of it', 'purser hold show hld_…')
    .argument('<id>', 'the hold')
    .action((id: string, options: JsonOption) =>
      askForOne(context, options, { method: 'GET', path: pathOf('holds', id) }, (resource) =>
        showResource(context.terminal, resource),
      ),
    );
  const capture = moneyCommand(
    'capture',
    'charge what a hold reserved, wholly or in part, and give the rest back',
    'purser hold capture hld_… --amount 2.3',
  )
    .argument('<id>', 'the hold')
    .requiredOption('--amount <cents>', 'what it cost')
    .action((id: string, options: KeyOption & { amount: string }) => {
      const request = { path: pathOf('holds', id, 'capture'), body: { amount: options.amount } };
      return move(context, options, request, 'The hold was captured.');
    });
  const release = moneyCommand('void', 'give back what a hold reserved', 'purser hold void hld_…')
    .argument('<id>', 'the hold')
    .option('--reason <text>', 'why, for the history')
    .action((id: string, options: KeyOption & { reason?: string }) => {
      const request = { path: pathOf('holds', id, 'void'), body: { reason: options.reason } };
      return move(context, options, request, 'The credit was given back.');
    });
  const hold = command('hold', 'reservations of credit', 'purser hold show hld_…');
  for (const verb of [create, show, capture, release]) hold.addCommand(verb);
  return [hold];
}

interface ChargeOptions extends KeyOption {
  readonly account: string;
  readonly amount: string;
  readonly scope?: string;
  readonly description?: string;
}

/** The verbs of `purser charge` that move money or show one charge. */
export function chargeVerbs(context: Context): Command[] {
  const create = moneyCommand(
    'create',
    'charge an account',
    'purser charge create --account 5f2c… --amount 0.5',
  )
    .requiredOption('--account <id>', 'the account')
    .requiredOption('--amount <cents>', 'what it costs')
    .option('--scope <scope>', 'what it is for')
    .option('--description <text>', 'for the history')
    .action((options: ChargeOptions) => {
      const { account, amount, scope, description } = options;
      const body = { account, amount, scope, description };
      return move(context, options, { path: '/v1/charges', body }, 'The account was charged.');
    });
  const show = apiCommand('show', "show a charge's receipt", 'purser charge show chg_…')
    .argument('<id>', 'the charge')
    .action((id: string, options: JsonOption) =>
      askForOne(context, options, { method: 'GET', path: pathOf('charges', id) }, (resource) =>
        showResource(context.terminal, resource),
      ),
    );
  const reverse = moneyCommand(
    'reverse',
    'undo a charge, wholly or in part',
    'purser charge reverse chg_… --reason "the answer was empty"',
  )
    .argument('<id>', 'the charge')
    .requiredOption('--reason <text>', 'why, for the history')
    .option('--amount <cents>', 'how much of it (default: all that is left)')
    .action((id: string, options: KeyOption & { reason: string; amount?: string }) => {
      const { reason, amount } = options;
      const request = { path: pathOf('charges', id, 'reverse'), body: { reason, amount } };
      return move(context, options, request, 'The charge was reversed.');
    });
  return [create, show, reverse];
}

interface AdjustmentOptions extends KeyOption {
  readonly account: string;
  readonly amount: string;
  readonly reason: string;
  readonly category?: string;
  readonly allowNegative?: true;
}

export function adjustmentCommands(context: Context): Command[] {
  const create = moneyCommand(
    'create',
    'correct what an account has',
    'purser adjustment create --account 5f2c… --amount 25 --category promotional --reason goodwill',
    'purser adjustment create --account 5f2c… --amount=-2.5 --reason "granted twice"',
  )
    .requiredOption('--account <id>', 'the account')
    .requiredOption('--amount <cents>', 'above zero it adds, below zero it takes')
    .requiredOption('--reason <text>', 'why, for the history')
    .option('--category <category>', 'paid or promotional; required above zero')
    .option('--allow-negative', 'take the account below zero if need be')
    .action((options: AdjustmentOptions) => {
      const { account, amount, reason, category, allowNegative } = options;
      const body = { account, amount, reason, category, allow_negative: allowNegative };
      return move(context, options, { path: '/v1/adjustments', body }, 'The account was adjusted.');
    });
  const example = 'purser adjustment create --account 5f2c… --amount=-2.5 --reason "granted twice"';
  return [command('adjustment', 'corrections by the operator', example).addCommand(create)];
}

/** The path of one thing, or of an action on it. */
export function pathOf(things: string, id: string, action?: string): string {
  const path = `/v1/${things}/${encodeURIComponent(id)}`;
  return action === undefined ? path : `${path}/${action}`;
}
