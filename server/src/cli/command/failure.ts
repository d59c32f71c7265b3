import type { Command } from 'commander';
import { OperatorError } from '../../operator-error.ts';
import { type ApiAnswer, ApiError, type ApiRequest } from './api.ts';
import { cureOf } from './cures.ts';
import { fromEnvironment } from './settings.ts';
import type { Terminal } from './terminal.ts';

/** Errors in three parts: the failure, its details, and the cure. */

interface Failure {
  readonly what: string;
  readonly details: string;
  readonly solution: string;
}

/** The exit codes of a failed command, and of one with a usage error, as shells use them. */
export const FAILED = 1;
export const WRITTEN_WRONGLY = 2;

/** The exit code for a refusal of the API. */
export function exitCodeOf(answer: ApiAnswer): number {
  return bodyOf(answer).code === 'invalid_request' ? WRITTEN_WRONGLY : FAILED;
}

/** Prints an error and returns its exit code. */
export function showFailure(terminal: Terminal, error: unknown): number {
  print(terminal, partsOf(error));
  return error instanceof ApiError ? exitCodeOf(error.answer) : FAILED;
}

/** Prints commander's error about a usage error. */
export function showUsageError(terminal: Terminal, command: Command, text: string): void {
  print(terminal, usagePartsOf(command, text));
}

/** The `detail` of an error's body. */
export function detailOf(answer: ApiAnswer): string {
  const body = bodyOf(answer);
  return typeof body.detail === 'string' ? body.detail : answer.text;
}

function print({ errorLine, errorColors }: Terminal, { what, details, solution }: Failure): void {
  errorLine(`${errorColors.red('Error:')} ${what}`);
  errorLine(`${errorColors.dim('Details:')} ${details}`);
  errorLine(`${errorColors.dim('To solve it:')} ${solution}`);
}

function partsOf(error: unknown): Failure {
  if (error instanceof OperatorError) {
    return { what: error.message, details: error.details, solution: error.solution };
  }
  if (error instanceof ApiError) return partsOfRefusal(error);
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return {
    what: message,
    details: stack ?? 'No more is known.',
    solution: 'This is a defect of Purser: please report it with the text above.',
  };
}

/** Longer paths are cut; every valid path is shorter. */
const LONGEST_PATH = 128;

function partsOfRefusal({ request, answer }: ApiError): Failure {
  const body = bodyOf(answer);
  const path = request.path.slice(0, LONGEST_PATH);
  const answered = `${request.method} ${path} answered ${answer.status} (${body.code}).`;
  return {
    what: `${asTyped(detailOf(answer), request)}.`,
    details: typeof body.message === 'string' ? `${body.message} ${answered}` : answered,
    solution: cureOf(body.code, { request, body }),
  };
}

/** The options whose names differ from their members' by more than `-` for `_`. */
const OPTIONS: Readonly<Record<string, string>> = {
  expires_in_s: '--expires-in',
  grace_s: '--grace',
  api_key_id: '--api-key',
};

/** An error's text with the request's members replaced by the options that the user typed. */
function asTyped(detail: string, { body, query }: ApiRequest): string {
  const members = Object.keys({ ...query, ...body });
  const text = members.reduce((typed, member) => {
    const option = OPTIONS[member] ?? `--${member.replaceAll('_', '-')}`;
    return typed.replace(placesOf(member), option);
  }, detail);
  return IN_OUR_WORDS.reduce((typed, [theirs, ours]) => typed.replaceAll(theirs, ours), text);
}

/** Matches a member in a text. A word without `_` counts at the beginning or end only: it may be plain English. */
function placesOf(member: string): RegExp {
  return member.includes('_')
    ? new RegExp(`\\b${member}\\b`, 'g')
    : new RegExp(`^${member}(?=(\\.\\d+)*(:| must| is ))|(?<= after )${member}$`, 'g');
}

/** The API's words about JSON and headers, with the command line's words for them. */
const IN_OUR_WORDS: readonly (readonly [RegExp, string])[] = [
  [/"(-?\d+(\.\d+)?)"/g, '$1'],
  [/\bIdempotency-Key\b/g, '--idempotency-key'],
  [/\blinks\.next\b/g, 'the page before'],
  [/must be a string of (?=\d)/g, 'must have '],
  [
    /^(--(?:expires-in|grace)) must be a whole number from (\d+) to (\d+)/g,
    '$1 must be from $2 to $3 seconds',
  ],
];

/**
 * Splits commander's text, for example `error: option '--period <period>' argument 'week' is invalid.
 * Allowed choices are day, month, total.` A last line may be `(Did you mean --period?)`.
 */
function usagePartsOf(command: Command, text: string): Failure {
  const [, message = '', hint] =
    /^(?:error: )?(.*?)\.?(?:\n\((Did you mean .*)\))?$/s.exec(text.trimEnd()) ?? [];
  // A quoted value may contain a full stop too.
  const [what = '', ...details] = message.split(/(?<=is invalid|for (?:argument )?'[\w-]+')\. /);
  const path = pathOf(command);
  const setting = fromEnvironment(what, path);
  const help = `\`${path} --help\` lists its arguments and options.`;
  return {
    what: `${usageInOurWords(what)}.`,
    details:
      setting?.details ?? (details.length > 0 ? `${details.join('. ')}.` : 'Nothing was done.'),
    solution: setting?.solution ?? (hint ? `${hint} ${help}` : help),
  };
}

function usageInOurWords(what: string): string {
  return what
    .replace(
      /^option '.*?(--[a-z0-9-]+)( <.*?>)?' argument '(.*)' is invalid$/s,
      "$1 '$3' is invalid",
    )
    .replace(
      /^command-argument value '(.*)' is invalid for argument '(.*)'$/s,
      "<$2> '$1' is invalid",
    )
    .replace(/^required option '(.*)' not specified$/, '$1 is required')
    .replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

/** A command's full name: `purser grant create`. */
function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

interface ErrorBody {
  readonly detail?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly [member: string]: unknown;
}

function bodyOf({ text }: ApiAnswer): ErrorBody {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
