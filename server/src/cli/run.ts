import { CommanderError } from 'commander';
import type { Context } from './command/context.ts';
import { FAILED, showFailure } from './command/failure.ts';
import { buildProgram } from './program.ts';

/**
 * Runs one command line and resolves with its exit code: 0 done, 1 failed, 2 usage error. Only this
 * function prints errors.
 */
export async function run(
  argv: readonly string[],
  version: string,
  context: Omit<Context, 'fail'>,
): Promise<number> {
  let exitCode = 0;
  const fail = (code = FAILED) => {
    exitCode = code;
  };
  try {
    await buildProgram({ ...context, fail }, version).parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    // Commander has printed its help or its error.
    if (error instanceof CommanderError) return error.exitCode;
    return showFailure(context.terminal, error);
  }
}
