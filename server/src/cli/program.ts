import type { Command } from 'commander';
import { accountCommands } from './accounts.ts';
import { command } from './command.ts';
import type { Context } from './context.ts';
import { grantCommands } from './grants.ts';
import { historyCommands } from './history.ts';
import { keyCommands } from './keys.ts';
import { limitCommands } from './limits.ts';
import { adjustmentCommands, holdCommands } from './money.ts';
import { priceCommands } from './prices.ts';
import { verifyCommand } from './verify.ts';

/** Exit code of a command that was written wrongly, as shells use it. */
const USAGE_EXIT_CODE = 2;

/** The whole command line: `purser <object> <verb>`. */
export function buildProgram(context: Context, version: string): Command {
  const program = command(
    'purser',
    'Prepaid credits for businesses that sell an API.',
    'purser start',
    'purser account list',
  )
    .version(version)
    .addCommand(startCommand(context))
    .addCommand(migrateCommand(context))
    .addCommand(verifyCommand(context))
    .addCommand(openapiCommand(context))
    .addCommand(priceCommands(context));
  const objects = [
    ...accountCommands(context),
    ...keyCommands(context),
    ...grantCommands(context),
    ...historyCommands(context),
    ...holdCommands(context),
    ...adjustmentCommands(context),
    ...limitCommands(context),
  ];
  for (const object of objects) program.addCommand(object);
  settle(program);
  return program;
}

function startCommand(context: Context): Command {
  return command('start', 'run the server', 'PURSER_PORT=9000 purser start').action(() =>
    context.start(),
  );
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

/** Settings that commander does not hand down to commands that were made on their own. */
function settle(parent: Command): void {
  parent.showHelpAfterError('(add --help for what it takes)').exitOverride((error) => {
    if (error.exitCode !== 0) error.exitCode = USAGE_EXIT_CODE;
    throw error;
  });
  for (const child of parent.commands) settle(child);
}
