import type { Command } from 'commander';
import { UnknownAccount, type Verification, verify } from '../../ledger/proof/verify.ts';
import { OperatorError } from '../../operator-error.ts';
import { command } from '../command/command.ts';
import type { Context } from '../command/context.ts';
import type { Terminal } from '../command/terminal.ts';

const BAR_WIDTH = 30;

interface Options {
  readonly json?: true;
  readonly account?: string;
  readonly after?: string;
}

/** `purser verify`: proves the books. If they do not add up: exit code 1 and the first offender. */
export function verifyCommand(context: Context): Command {
  return command(
    'verify',
    'prove that the books add up, account by account; the server may go on working',
    'purser verify',
    'purser verify --account 5f2c…',
    'purser verify --after 5f2c… --json',
  )
    .option('--account <id>', 'only this account')
    .option('--after <id>', 'go on after this account, as a run that was ended says')
    .option('--json', 'print the result as JSON')
    .action((options: Options) => run(context, options));
}

async function run(context: Context, { json, account, after }: Options): Promise<void> {
  const { terminal } = context;
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once('SIGINT', end);
  const { result, notes } = await context.withDatabase(async (opened) => ({
    result: await verify(opened.database, {
      only: account,
      after,
      signal: stop.signal,
      onProgress: (done, total, operations) => terminal.progress(bar(done, total, operations)),
    }).catch(explain),
    notes: opened.unprotected,
  }));
  process.off('SIGINT', end);
  terminal.progress(null);
  if (result.problem || stop.signal.aborted) context.fail();
  if (json) return terminal.line(JSON.stringify({ ...result, notes }));
  show(terminal, result, notes, stop.signal.aborted);
}

function explain(error: unknown): never {
  if (!(error instanceof UnknownAccount)) throw error;
  throw new OperatorError(
    'There is no such account.',
    `No account has the id "${error.message}".`,
    'Take the id from `purser account list`.',
  );
}

function show(
  { line, colors }: Terminal,
  { accounts, operations, entries, problem, provedTo }: Verification,
  notes: readonly string[],
  wasEnded: boolean,
): void {
  const looked = `${accounts} accounts, ${operations} operations, ${entries} entries`;
  for (const note of notes) line(`${colors.yellow('Note:')} ${note}`);
  if (problem) {
    line(`${colors.red('The books do not add up')} (after ${looked}).`);
    line(`  account  ${problem.account}`);
    line(`  broken   ${problem.promise}`);
    line(`  found    ${problem.details}`);
  } else if (wasEnded) {
    line(`${colors.yellow('Ended early:')} nothing wrong in ${looked}.`);
  } else {
    line(`${colors.green('The books add up:')} ${looked}.`);
  }
  if (provedTo !== null) line(`To go on: purser verify --after ${provedTo}`);
}

function bar(done: number, total: number, operations: number): string {
  const filled = total === 0 ? BAR_WIDTH : Math.floor((done / total) * BAR_WIDTH);
  const blocks = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  return `verifying ${blocks} ${done}/${total} accounts, ${operations} operations`;
}
