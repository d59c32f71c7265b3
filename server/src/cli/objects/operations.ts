import type { Command } from 'commander';
import { type ApiRequest, pathOf } from '../command/api.ts';
import {
  apiCommand,
  askForOne,
  askOnce,
  command,
  type IdempotencyOption,
  idempotentCommand,
  type JsonOption,
} from '../command/command.ts';
import type { Context } from '../command/context.ts';
import {
  ACCOUNT_ID,
  CATEGORIES,
  oneOf,
  parseCents,
  parseDuration,
  parseId,
  parseScope,
  parseSignedCents,
} from '../command/options.ts';
import { showResource } from '../command/show.ts';

/** `purser hold|charge|adjustment …`: the commands that move money, besides grants. */

/** Requests an operation that moves money, and shows its result. */
export function move(
  context: Context,
  options: IdempotencyOption,
  request: Pick<ApiRequest, 'path' | 'body'>,
  done: string,
): Promise<void> {
  return askOnce(context, options, request, done, (resource) =>
    showResource(context.terminal, resource),
  );
}

interface HoldOptions extends IdempotencyOption {
  readonly account: string;
  readonly amount: string;
  readonly expiresIn: number;
  readonly scope?: string;
  readonly description?: string;
}

export function holdCommands(context: Context): Command[] {
  const create = idempotentCommand(
    'create',
    'reserve credit for a call whose cost is not known yet',
    'purser hold create --account 5f2c… --amount 10 --expires-in 1m',
  )
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .requiredOption('--amount <cents>', 'the most that the call may cost', parseCents)
    .requiredOption(
      '--expires-in <duration>',
      'the time until it is given back by itself, at most a day',
      parseDuration,
    )
    .option('--scope <scope>', 'the product, such as search: only grants for it pay', parseScope)
    .option('--description <text>', 'for the history')
    .action((options: HoldOptions) => {
      const { account, amount, expiresIn, scope, description } = options;
      const body = { account, amount, expires_in_s: expiresIn, scope, description };
      return move(context, options, { path: '/v1/holds', body }, 'The credit is reserved.');
    });
  const show = apiCommand('show', 'show a hold and its end', 'purser hold show hld_…')
    .argument('<id>', 'the hold', parseId)
    .action((id: string, options: JsonOption) =>
      askForOne(context, options, { method: 'GET', path: pathOf('holds', id) }, (resource) =>
        showResource(context.terminal, resource),
      ),
    );
  const capture = idempotentCommand(
    'capture',
    'charge the cost of a call, and give the rest of its hold back',
    'purser hold capture hld_… --amount 2.3',
  )
    .argument('<id>', 'the hold', parseId)
    .requiredOption('--amount <cents>', 'the cost of the call; 0 if nothing', parseCents)
    .action((id: string, options: IdempotencyOption & { amount: string }) => {
      const request = { path: pathOf('holds', id, 'capture'), body: { amount: options.amount } };
      return move(context, options, request, 'The hold was captured.');
    });
  const release = idempotentCommand(
    'void',
    'give back all that a hold reserved',
    'purser hold void hld_… --reason "the call failed"',
  )
    .argument('<id>', 'the hold', parseId)
    .option('--reason <text>', 'the reason, for the history')
    .action((id: string, options: IdempotencyOption & { reason?: string }) => {
      const request = { path: pathOf('holds', id, 'void'), body: { reason: options.reason } };
      return move(context, options, request, 'The credit was given back.');
    });
  const hold = command(
    'hold',
    'reservations of credit: create one, then capture or void it',
    'purser hold create --account 5f2c… --amount 10 --expires-in 1m',
    'purser hold capture hld_… --amount 2.3',
  );
  for (const verb of [create, show, capture, release]) hold.addCommand(verb);
  return [hold];
}

interface ChargeOptions extends IdempotencyOption {
  readonly account: string;
  readonly amount: string;
  readonly scope?: string;
  readonly description?: string;
}

/** The verbs of `purser charge` that move money or show one charge. */
export function chargeVerbs(context: Context): Command[] {
  const create = idempotentCommand(
    'create',
    'charge an account',
    'purser charge create --account 5f2c… --amount 0.5',
    'purser charge create --account 5f2c… --amount 2.5 --scope search --idempotency-key call-77',
  )
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .requiredOption('--amount <cents>', 'the cost', parseCents)
    .option('--scope <scope>', 'the product, such as search: only grants for it pay', parseScope)
    .option('--description <text>', 'for the history')
    .action((options: ChargeOptions) => {
      const { account, amount, scope, description } = options;
      const body = { account, amount, scope, description };
      return move(context, options, { path: '/v1/charges', body }, 'The account was charged.');
    });
  const show = apiCommand('show', "show a charge's receipt", 'purser charge show chg_…')
    .argument('<id>', 'the charge', parseId)
    .action((id: string, options: JsonOption) =>
      askForOne(context, options, { method: 'GET', path: pathOf('charges', id) }, (resource) =>
        showResource(context.terminal, resource),
      ),
    );
  const reverse = idempotentCommand(
    'reverse',
    'undo a charge, wholly or in part: the grants that paid get it back',
    'purser charge reverse chg_… --reason "the answer was empty"',
    'purser charge reverse chg_… --amount 0.2 --reason "half an answer"',
  )
    .argument('<id>', 'the charge', parseId)
    .requiredOption('--reason <text>', 'the reason, for the history')
    .option('--amount <cents>', 'the part to give back (default: all that is left)', parseCents)
    .action((id: string, options: IdempotencyOption & { reason: string; amount?: string }) => {
      const { reason, amount } = options;
      const request = { path: pathOf('charges', id, 'reverse'), body: { reason, amount } };
      return move(context, options, request, 'The charge was reversed.');
    });
  return [create, show, reverse];
}

interface AdjustmentOptions extends IdempotencyOption {
  readonly account: string;
  readonly amount: string;
  readonly reason: string;
  readonly category?: string;
  readonly allowNegative?: true;
}

export function adjustmentCommands(context: Context): Command[] {
  const examples = [
    'purser adjustment create --account 5f2c… --amount 25 --category promotional --reason goodwill',
    'purser adjustment create --account 5f2c… --amount -2.5 --reason "granted twice"',
  ];
  const create = idempotentCommand('create', 'correct the credit of an account', ...examples)
    .requiredOption('--account <id>', ACCOUNT_ID, parseId)
    .requiredOption('--amount <cents>', 'above zero it adds, below zero it takes', parseSignedCents)
    .requiredOption('--reason <text>', 'the reason, for the history')
    .addOption(
      oneOf(
        '--category <category>',
        'the category of the credit that is added; required above zero',
        CATEGORIES,
      ),
    )
    .option('--allow-negative', 'take the account below zero if need be')
    .action((options: AdjustmentOptions) => {
      const { account, amount, reason, category, allowNegative } = options;
      const body = { account, amount, reason, category, allow_negative: allowNegative };
      return move(context, options, { path: '/v1/adjustments', body }, 'The account was adjusted.');
    });
  return [command('adjustment', 'corrections by the operator', ...examples).addCommand(create)];
}
