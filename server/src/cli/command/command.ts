import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import {
  type ApiAnswer,
  ApiError,
  type ApiRequest,
  ask,
  pageOf,
  type Resource,
  resourceOf,
} from './api.ts';
import type { Context } from './context.ts';
import { exitCodeOf } from './failure.ts';
import { parseIdempotencyKey, parseWhole } from './options.ts';
import { showTable } from './show.ts';

/** The common parts of commands. */

export interface JsonOption {
  readonly json?: true;
}

export interface IdempotencyOption extends JsonOption {
  readonly idempotencyKey?: string;
}

export interface PageOptions extends JsonOption {
  readonly limit?: number;
  readonly cursor?: string;
}

/** A command with a description, and working examples at the end of its help. */
export function command(name: string, description: string, ...examples: string[]): Command {
  const lines = examples.map((example) => `  ${example}`).join('\n');
  return new Command(name)
    .description(description)
    .addHelpText('after', `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${lines}`);
}

/** A command that calls the API and has `--json`. */
export function apiCommand(name: string, description: string, ...examples: string[]): Command {
  return command(name, description, ...examples).option(
    '--json',
    'print exactly the answer of the HTTP API',
  );
}

/** A command that takes an idempotency key, under which it is done once. */
export function idempotentCommand(
  name: string,
  description: string,
  ...examples: string[]
): Command {
  return apiCommand(name, description, ...examples).option(
    '--idempotency-key <key>',
    'done once, however often it is run with this key (default: a new key)',
    parseIdempotencyKey,
  );
}

/** A command that shows a page of a list. */
export function listCommand(name: string, description: string, ...examples: string[]): Command {
  return apiCommand(name, description, ...examples)
    .option('--limit <n>', 'the most to show, up to 500 (default: 50)', parseWhole)
    .option('--cursor <cursor>', 'the next page, as the page before names it');
}

/** Requests one resource and shows it by `show`, or with `--json` as the API's answer. */
export async function askForOne(
  context: Context,
  { json }: JsonOption,
  request: ApiRequest,
  show: (resource: Resource, answer: ApiAnswer) => void | Promise<void>,
): Promise<void> {
  const answer = await answerOf(context, json, request);
  if (answer !== undefined) await show(resourceOf(answer), answer);
}

/** Requests an idempotent action and shows its result, with `done` or a note that it was done before. */
export async function askOnce(
  context: Context,
  options: IdempotencyOption,
  request: Pick<ApiRequest, 'path' | 'body'>,
  done: string,
  show: (resource: Resource) => void,
): Promise<void> {
  const { idempotencyKey = randomUUID() } = options;
  const post = { method: 'POST', ...request, idempotencyKey } as const;
  await askForOne(context, options, post, (resource, { isReplay }) => {
    const again =
      'It was done before with this idempotency key: here is its answer, nothing is new.';
    context.terminal.line(isReplay ? again : done);
    show(resource);
  });
}

/** Requests an action that is answered without a body (204). */
export async function askForNothing(
  context: Context,
  { json }: JsonOption,
  request: ApiRequest,
  done: string,
): Promise<void> {
  const answer = await answerOf(context, json, request);
  if (answer !== undefined) context.terminal.line(done);
}

/** Requests a page of a list and shows it as a table with these columns. */
export async function askForPage(
  context: Context,
  { json, limit, cursor }: PageOptions,
  request: ApiRequest,
  columns: readonly string[],
): Promise<void> {
  const query = { ...request.query, limit: limit?.toString(), cursor };
  const answer = await answerOf(context, json, { ...request, query });
  if (answer === undefined) return;
  const { resources, next } = pageOf(answer);
  await showTable(context.terminal, resources, columns);
  if (next !== null) context.terminal.line(`There is more: add --cursor ${next}`);
}

/** Requests a text and prints it unchanged. */
export async function askForText(context: Context, request: ApiRequest): Promise<void> {
  const answer = await answerOf(context, undefined, request);
  if (answer !== undefined) context.terminal.text(answer.text);
}

/**
 * The successful answer; undefined: `--json` has printed it. With `--json` a refusal is printed too and
 * sets the exit code; without, it throws ApiError.
 */
async function answerOf(
  context: Context,
  json: true | undefined,
  request: ApiRequest,
): Promise<ApiAnswer | undefined> {
  const answer = await context.withApi((api) => ask(api, request));
  const isRefusal = answer.status >= 400;
  if (!json && isRefusal) throw new ApiError(request, answer);
  if (!json) return answer;
  if (answer.text !== '') context.terminal.line(answer.text);
  if (isRefusal) context.fail(exitCodeOf(answer));
  return undefined;
}
