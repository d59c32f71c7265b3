import type { Command } from 'commander';
import { command } from './command.ts';
import type { Context } from './context.ts';
import type { Terminal } from './terminal.ts';

const BAR_WIDTH = 30;

/** `purser verify`: proves the books; exit code 1 and the first offender where they do not add up. */
export function verifyCommand(context: Context): Command {
  return command(
    'verify',
    'prove that the books add up, account by account; the server may go on working',
    'purser verify',
    'purser verify --json',
  )
    .option('--json', 'print the result as JSON')
    .action(async ({ json }: { json?: true }) => {
      const { terminal } = context;
      const { verify } = await import('../ledger/verify.ts');
      const { result, restricted } = await context.withDatabase(async (opened) => ({
        result: await verify(opened.database, {
          onProgress: (done, total) => terminal.progress(bar(done, total)),
        }),
        restricted: opened.restricted,
      }));
      terminal.progress(null);
      if (result.problem) context.fail();
      const notes = restricted ? [] : [NOT_RESTRICTED];
      if (json) return terminal.line(JSON.stringify({ ...result, notes }));
      show(terminal, result, notes);
    });
}

const NOT_RESTRICTED =
  'The role purser_server could not be made here, so entries are append-only by the program alone: give this login CREATEROLE, or let an administrator make the role and grant it to the login.';

function show(
  { line, colors }: Terminal,
  result: Awaited<ReturnType<typeof import('../ledger/verify.ts').verify>>,
  notes: readonly string[],
): void {
  const { accounts, operations, entries, problem } = result;
  const looked = `${accounts} accounts, ${operations} operations, ${entries} entries`;
  for (const note of notes) line(`${colors.yellow('Note:')} ${note}`);
  if (!problem) {
    line(`${colors.green('The books add up:')} ${looked}.`);
    return;
  }
  line(`${colors.red('The books do not add up')} (after ${looked}).`);
  line(`  account  ${problem.account}`);
  line(`  broken   ${problem.promise}`);
  line(`  found    ${problem.details}`);
}

function bar(done: number, total: number): string {
  const filled = total === 0 ? BAR_WIDTH : Math.floor((done / total) * BAR_WIDTH);
  return `verifying ${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${done}/${total} accounts`;
}
