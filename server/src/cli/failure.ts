import { OperatorError } from '../db/operator-error.ts';
import { type ApiAnswer, ApiError } from './api.ts';
import type { Terminal } from './terminal.ts';

/** Prints an error in three parts: what went wrong, the details, and how to solve it. */
export function showFailure({ errorLine, errorColors }: Terminal, error: unknown): void {
  const { what, details, solution } = partsOf(error);
  errorLine(`${errorColors.red('Error:')} ${what}`);
  errorLine(`${errorColors.dim('Details:')} ${details}`);
  errorLine(`${errorColors.dim('To solve it:')} ${solution}`);
}

/** What an answer's error body says. */
export function detailOf(answer: ApiAnswer): string {
  const body = bodyOf(answer);
  return typeof body.detail === 'string' ? body.detail : answer.text;
}

function partsOf(error: unknown): { what: string; details: string; solution: string } {
  if (error instanceof OperatorError) {
    return { what: error.message, details: error.details, solution: error.solution };
  }
  if (error instanceof ApiError) {
    const { status } = error.answer;
    const { code } = bodyOf(error.answer);
    return {
      what: `${detailOf(error.answer)}.`,
      details: `${error.request.method} ${error.request.path} answered ${status} (${code}).`,
      solution:
        status >= 500
          ? 'Try again; if it stays so, look at the log.'
          : 'Change what you asked for: --help says what a command takes, docs/errors what each code means.',
    };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return {
    what: message,
    details: stack ?? 'No more is known.',
    solution: 'This is a defect of Purser: please report it with the text above.',
  };
}

function bodyOf({ text }: ApiAnswer): { detail?: unknown; code?: unknown } {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
