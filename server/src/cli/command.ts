import { Command, InvalidArgumentError } from 'commander';
import { ApiError, type ApiRequest, ask, pageOf, type Resource, resourceOf } from './api.ts';
import type { Context } from './context.ts';
import { showTable } from './show.ts';

/** What the commands of the command line have in common. */

export interface JsonOption {
  readonly json?: true;
}

export interface PageOptions extends JsonOption {
  readonly limit?: string;
  readonly cursor?: string;
}

/** A command with a description and, at the end of its help, an example that works. */
export function command(name: string, description: string, ...examples: string[]): Command {
  const lines = examples.map((example) => `  ${example}`).join('\n');
  return new Command(name)
    .description(description)
    .addHelpText('after', `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${lines}`);
}

/** A command that asks the API: it has `--json`. */
export function apiCommand(name: string, description: string, ...examples: string[]): Command {
  return command(name, description, ...examples).option(
    '--json',
    'print exactly what the HTTP API answers',
  );
}

/** A command that shows a page of a list. */
export function listCommand(name: string, description: string, ...examples: string[]): Command {
  return apiCommand(name, description, ...examples)
    .option('--limit <n>', 'how many to show, at most 500 (default: 50)')
    .option('--cursor <cursor>', 'where the page begins, as the page before says');
}

/** Asks the API for one thing and shows it: the answer itself with `--json`, else what `show` makes of it. */
export async function askForOne(
  context: Context,
  { json }: JsonOption,
  request: ApiRequest,
  show: (resource: Resource) => void | Promise<void>,
): Promise<void> {
  const text = await answerOf(context, json, request);
  if (text !== undefined) await show(resourceOf({ status: 200, text }));
}

/** Asks the API for something that is answered with nothing (204). */
export async function askForNothing(
  context: Context,
  { json }: JsonOption,
  request: ApiRequest,
  done: string,
): Promise<void> {
  const text = await answerOf(context, json, request);
  if (text !== undefined) context.terminal.line(done);
}

/** Asks the API for a page and shows it as a table with the given columns. */
export async function askForPage(
  context: Context,
  { json, limit, cursor }: PageOptions,
  request: ApiRequest,
  columns: readonly string[],
): Promise<void> {
  const query = { ...request.query, limit, cursor };
  const text = await answerOf(context, json, { ...request, query });
  if (text === undefined) return;
  const { resources, next } = pageOf({ status: 200, text });
  await showTable(context.terminal, resources, columns);
  if (next !== null) context.terminal.line(`There is more: add --cursor ${next}`);
}

/** Asks the API for a text that is shown as it is, byte for byte. */
export async function askForText(context: Context, request: ApiRequest): Promise<void> {
  const text = await answerOf(context, undefined, request);
  if (text !== undefined) context.terminal.text(text);
}

/**
 * The body of a good answer, or undefined where `--json` has printed it. A refusal is printed with
 * `--json` too and ends the command with 1; without, it throws ApiError.
 */
async function answerOf(
  context: Context,
  json: true | undefined,
  request: ApiRequest,
): Promise<string | undefined> {
  const answer = await context.withApi((api) => ask(api, request));
  const isRefusal = answer.status >= 400;
  if (!json && isRefusal) throw new ApiError(request, answer);
  if (!json) return answer.text;
  if (answer.text !== '') context.terminal.line(answer.text);
  if (isRefusal) context.fail();
  return undefined;
}

/** Parses an option's list: `a,b`. */
export function parseList(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}

/** Parses an option's whole number; its range is the API's to judge. */
export function parseWhole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number.');
}
