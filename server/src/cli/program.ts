import { type Command, Help, type Option } from 'commander';
import { command } from './command/command.ts';
import type { Context } from './command/context.ts';
import { showUsageError, WRITTEN_WRONGLY } from './command/failure.ts';
import { NOTES } from './command/options.ts';
import { SETTINGS_HELP } from './command/settings.ts';
import type { Terminal } from './command/terminal.ts';
import { accountCommands } from './objects/accounts.ts';
import { grantCommands } from './objects/grants.ts';
import { chargeCommands, historyCommands } from './objects/history.ts';
import { keyCommands } from './objects/keys.ts';
import { limitCommands } from './objects/limits.ts';
import { adjustmentCommands, holdCommands } from './objects/operations.ts';
import { priceCommands } from './objects/prices.ts';
import { verifyCommand } from './objects/verify.ts';

/** The whole command line: `purser <object> <verb>`. */
export function buildProgram(context: Context, version: string): Command {
  const program = command(
    'purser',
    'Prepaid credits for businesses that sell an API.',
    'purser start',
    'purser account create --kind organization --name Acme',
    'purser grant create --account 5f2c… --amount 10000',
    'purser key create --account 5f2c…',
    'purser balance --account 5f2c…',
  )
    .version(version)
    .addHelpText('after', ABOUT);
  const groups: Readonly<Record<string, readonly Command[]>> = {
    'The server:': [startCommand(context), migrateCommand(context), openapiCommand(context)],
    'Accounts and keys:': [
      ...accountCommands(context),
      ...keyCommands(context),
      ...limitCommands(context),
    ],
    'Credit:': [
      ...grantCommands(context),
      ...chargeCommands(context),
      ...holdCommands(context),
      ...adjustmentCommands(context),
    ],
    'History and proof:': [...historyCommands(context), verifyCommand(context)],
    'The gateway:': [priceCommands(context)],
  };
  for (const [heading, commands] of Object.entries(groups)) {
    for (const child of commands) program.addCommand(child.helpGroup(heading));
  }
  settle(program, context.terminal);
  return program;
}

const ABOUT = `
Every command has --help, which lists its options, and most print the HTTP API's answer with --json.
They work on the database that DATABASE_URL names, or on the one in PURSER_DATA_DIR (.purser), while
the server runs and while it does not. Exit code: 0 done, 1 failed, 2 written wrongly.`;

function startCommand(context: Context): Command {
  return command('start', 'run the server', 'PURSER_PORT=9000 purser start')
    .addHelpText('after', SETTINGS_HELP)
    .action(() => context.start());
}

function migrateCommand({ terminal, withDatabase }: Context): Command {
  return command(
    'migrate',
    "bring the database to this release's schema (a start does so too)",
    'DATABASE_URL=postgres://… purser migrate',
  ).action(async () => {
    const applied = await withDatabase(async ({ migrated }) => migrated);
    for (const name of applied) terminal.line(`applied ${name}`);
    if (applied.length === 0) terminal.line('Nothing to do: the database is up to date.');
  });
}

function openapiCommand({ terminal, openApiDocument }: Context): Command {
  return command(
    'openapi',
    'print the OpenAPI document of the HTTP API',
    'purser openapi > openapi.json',
  ).action(async () => terminal.line(await openApiDocument()));
}

/** Sets commander's options that subcommands do not inherit. */
function settle(parent: Command, terminal: Terminal): void {
  parent
    .configureHelp({ visibleOptions: inOrder, optionDescription: withRequired })
    .configureOutput({
      writeOut: terminal.text,
      writeErr: (text) => terminal.errorLine(text.trimEnd()),
      outputError: (text) => showUsageError(terminal, parent, text),
    })
    .exitOverride((error) => {
      if (error.exitCode !== 0) error.exitCode = WRITTEN_WRONGLY;
      throw error;
    });
  for (const [placeholder, note] of Object.entries(NOTES)) {
    const isTaken = parent.options.some(({ flags }) => flags.endsWith(placeholder));
    if (isTaken) parent.addHelpText('after', `\n${note}`);
  }
  for (const child of parent.commands) settle(child, terminal);
}

/** Orders options: required ones first, common ones last. */
function inOrder(this: Help, command: Command): Option[] {
  const rank = ({ long, mandatory }: Option) => (mandatory ? 0 : COMMON.indexOf(long ?? '') + 2);
  const options = Help.prototype.visibleOptions.call(this, command);
  return options.toSorted((one, other) => rank(one) - rank(other));
}
const COMMON = ['--idempotency-key', '--limit', '--cursor', '--json', '--help'];

function withRequired(this: Help, option: Option): string {
  const description = Help.prototype.optionDescription.call(this, option);
  return option.mandatory ? `${description} (required)` : description;
}
