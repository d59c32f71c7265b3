import { CommanderError } from 'commander';
import type { Context } from './context.ts';
import { showFailure } from './failure.ts';
import { buildProgram } from './program.ts';

/**
 * Runs one command line and resolves with its exit code: 0 done, 1 failed, 2 written wrongly. Errors
 * are printed here and nowhere else.
 */
export async function run(
  argv: readonly string[],
  version: string,
  context: Omit<Context, 'fail'>,
): Promise<number> {
  let exitCode = 0;
  const fail = () => {
    exitCode = 1;
  };
  try {
    await buildProgram({ ...context, fail }, version).parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    // Commander has printed its help or its error.
    if (error instanceof CommanderError) return error.exitCode;
    showFailure(context.terminal, error);
    return 1;
  }
}
